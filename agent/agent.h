// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent's data model: one sandbox, its containers, their processes.
 *
 * Threads: events (process exits, streams, RPCs of kind EVENT) run on the loop's thread; flows run
 * on threads of their own. struct sandbox.lock guards the lists and the reference counts. Members
 * marked "loop" are accessed on the loop's thread only. Objects are freed on that thread too, so an
 * event may use an object it found until it returns; a flow needs a reference.
 */

#include "agent/oom.h"
#include "agent/paths.h"
#include "agent/process.h"
#include "agent/settings.h"
#include "agent/storage/storage.h"

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "container/container.h"
#include "loop/loop.h"
#include "protocols/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* --- model --- */

enum entry_state {
	ENTRY_NEW,      /* only the flow that creates it uses it */
	ENTRY_READY,    /* flows use it, each with a reference */
	ENTRY_REMOVING, /* only the flow that removes it uses it */
	ENTRY_REMAINS,  /* container gone, but removal incomplete; may be repeated */
};

struct entry {
	struct sandbox *sandbox;
	char *id;
	char *bundle;                    /* GUEST_DIR/<id>: has config.json */
	char *termination_log;           /* its path in the guest, or NULL */
	enum entry_state state;          /* lock */
	struct container *core;          /* set once; of an entry that is READY or REMOVING */
	VEC(struct process *) processes; /* the first is the container's; lock */
	char **storages;                 /* mount points that it holds */
	unsigned refs;                   /* lock */
	struct oom_watch oom;            /* loop */
};

struct sandbox {
	struct loop *loop;
	const struct settings *settings;
	struct process_owner processes; /* of every container */
	pthread_mutex_t lock;
	pthread_cond_t released; /* an entry's reference was dropped */
	char *id;                /* NULL before CreateSandbox; lock */
	char *hostname;          /* lock */
	char *hook_path;         /* directory of hooks in the guest image, or NULL; lock */
	int ipc_ns, uts_ns;      /* shared by the containers, -1 before CreateSandbox; lock */
	int pid_ns;              /* of the first container; lock */
	bool dns_bound;          /* lock */
	VEC(struct entry *) entries;
	struct storages storages; /* has a lock of its own */
	struct oom_events oom;    /* loop */
	bool ending;              /* loop: DestroySandbox was answered */
};

void sandbox_init(struct sandbox *s, const struct settings *settings, struct loop *loop);
/* Frees everything; after the loop ended, in an agent that is not PID 1. */
void sandbox_release(struct sandbox *s);

/* Finds an entry that is READY and takes a reference; E_NOT_FOUND names the container. */
struct entry *entry_get(struct sandbox *s, const char *id, struct err *err);
void entry_put(struct entry *e);
/* Adds an entry; E_EXISTS if the id is in use. The first reference is the sandbox's. */
MUST_CHECK int entry_add(struct sandbox *s, struct entry *e, struct err *err);
/* Removes it from the list; dropping the last reference frees it on the loop. */
void entry_drop(struct entry *e);

/* On the loop: a process of a container, "" for the first. E_NOT_FOUND. */
struct process *process_find(struct sandbox *s, const char *id, const char *exec_id,
			     struct err *err);
/* The first process has the container's id; an empty exec id means all processes. */
MUST_CHECK int entry_signal(struct entry *e, const char *exec_id, unsigned number, struct err *err);

/* Makes the IPC and UTS namespaces shared by the containers of the sandbox. */
MUST_CHECK int namespaces_share(struct sandbox *s, struct err *err);
/* Adjusts the request's specification for the container core: shared namespaces by path, hooks of
 * the guest image, missing defaults. */
MUST_CHECK int spec_adjust(struct sandbox *s, const Grpc__CreateContainerRequest *r,
			   struct oci_spec *spec, struct err *err);
/* The flow of RemoveContainer. E_TIMEOUT: other requests still use it; E_STATE: it is already being
 * removed. After any failure it may be retried. */
MUST_CHECK int container_remove(struct sandbox *s, const char *id, struct deadline deadline,
				struct err *err);

/* Lets the containers use CPUs that came online. */
void container_widen_cpusets(struct sandbox *s);
