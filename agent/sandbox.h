// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The sandbox: what its containers have in common, from its making to its end.
 *
 * Flows, unless a function says otherwise. sandbox.lock guards the members behind it; the
 * containers and the storages have locks of their own, and none is taken below another.
 */

#include "agent/connection.h"
#include "agent/entry.h"
#include "agent/settings.h"
#include "agent/storage/storage.h"

#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct sandbox {
	struct loop *loop;
	const struct settings *settings;
	struct entries containers;
	struct storages storages;
	struct connections connections; /* loop */
	pthread_mutex_t lock;           /* guards what follows */
	char *id;                       /* NULL before sandbox_create */
	char *hostname;                 /* or NULL */
	char *hook_path;                /* directory of hooks in the guest image, or NULL */
	int ipc_ns, uts_ns;             /* shared by the containers, -1 before sandbox_create */
	int pid_ns;                     /* of the first container */
	bool dns_bound;
};

struct sandbox_module {
	const char *name;
	char **parameters;
	size_t n_parameters;
};

/* What a sandbox is made from. All is the caller's. */
struct sandbox_request {
	const char *id;
	const char *hostname;  /* "": none */
	const char *hook_path; /* "": none */
	char **dns;            /* lines of resolv.conf */
	size_t n_dns;
	const struct sandbox_module *modules; /* of the kernel */
	size_t n_modules;
	Grpc__Storage *const *storages;
	size_t n_storages;
};

/* Main thread. */
void sandbox_init(struct sandbox *s, const struct settings *settings, struct loop *loop);
/* Frees everything; after the loop ended, in an agent that is not PID 1. */
void sandbox_release(struct sandbox *s);

/* E_EXISTS: it was made already. After any other failure it may be made again. */
MUST_CHECK int sandbox_create(struct sandbox *s, const struct sandbox_request *r,
			      struct deadline deadline, struct err *err);
/* Restores the initial state, so that sandbox_create may be repeated; the containers are gone. */
void sandbox_empty(struct sandbox *s);
