// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The sandbox: what the containers of a VM have in common.
 *
 * The functions are for flows unless they say otherwise. sandbox.lock guards the members after it.
 * Containers and storages have locks of their own; no thread holds two of these locks at once.
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
	int pid_ns;                     /* of the first container, or -1 */
	bool dns_bound;                 /* /etc/resolv.conf is a bind mount */
};

struct sandbox_module {
	const char *name;
	char **parameters;
	size_t n_parameters;
};

/* What a sandbox is made from; everything stays the caller's. */
struct sandbox_request {
	const char *id;
	const char *hostname;  /* "": none */
	const char *hook_path; /* "": none */
	char **dns;            /* lines of resolv.conf */
	size_t n_dns;
	const struct sandbox_module *modules; /* kernel modules to load */
	size_t n_modules;
	Grpc__Storage *const *storages;
	size_t n_storages;
};

/* Main thread. settings and loop must outlive it. */
void sandbox_init(struct sandbox *s, const struct settings *settings, struct loop *loop);
/* Frees everything, after the loop ended, in an agent that is not PID 1. */
void sandbox_release(struct sandbox *s);

/* Makes the sandbox: hostname, namespaces, storages, DNS. E_EXISTS: it was made already. After any
 * other failure it may be called again. */
MUST_CHECK int sandbox_create(struct sandbox *s, const struct sandbox_request *r,
			      struct deadline deadline, struct err *err);
/* After all containers were removed: undoes sandbox_create(), which may then be called again. */
void sandbox_empty(struct sandbox *s);
