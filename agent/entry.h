// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The list of containers: an entry for each, with its processes. Entries are found, held by
 * references while they are used, and freed.
 *
 * Threads: events (process exits, streams, requests that do not block) run on the loop's thread;
 * flows run on threads of their own. entries.lock guards the list, the states and the reference
 * counts; no other lock is taken while it is held. Members marked "loop" are used on the loop's
 * thread only. Entries and processes are freed on that thread too, so an event may use what it
 * found until it returns; a flow needs a reference.
 */

#include "agent/device/device.h"
#include "agent/oom.h"
#include "agent/process.h"

#include "base/err.h"
#include "base/vec.h"
#include "container/container.h"
#include "loop/loop.h"

#include <pthread.h>

enum entry_state {
	ENTRY_NEW,      /* only the flow that creates it uses it */
	ENTRY_READY,    /* flows use it, each with a reference */
	ENTRY_REMOVING, /* only the flow that removes it uses it */
	ENTRY_LEFTOVER, /* the container is gone, but storages or files could not be removed yet */
};

struct entry {
	struct entries *list;
	char *id;
	char *bundle;                    /* GUEST_DIR/ID; has config.json if there are hooks */
	char *termination_log;           /* path in the guest of the termination message, or NULL */
	enum entry_state state;          /* lock */
	struct container *core;          /* set once; valid while READY or REMOVING */
	VEC(struct process *) processes; /* lock; first the container's own, then the execs */
	char **storages;                 /* mount points to which it has a reference */
	struct device_numbers numbers;   /* of its disks; does not change while READY */
	unsigned refs;                   /* lock */
	bool follows;                    /* has a volume that follows the host's mounts */
	bool in_pid_ns_of_others;        /* the end of its first process does not kill the others */
	struct oom_watch oom;            /* loop */
};

struct entries {
	struct loop *loop;
	struct process_owner processes; /* what all processes have in common */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* an entry's state, or a reference to one was dropped */
	VEC(struct entry *) v;
	struct oom_events oom; /* loop */
};

/* pipe_size: of the pipes for stdio, 0 for the kernel's default. */
void entries_init(struct entries *list, struct loop *loop, unsigned pipe_size);
/* Drops every entry, after the loop ended. */
void entries_drop(struct entries *list);
/* Frees the list, after entries_drop(). */
void entries_release(struct entries *list);

/* Sends SIGKILL to every process of every container that is READY. */
void entries_kill(struct entries *list);
/* The containers' ids, strv, heap; NULL if the list is empty. */
char **entries_ids(struct entries *list);

/* With the lock held: the entry of that id in any state, without a reference; NULL if there is
 * none. */
struct entry *entries_find(struct entries *list, const char *id);

/* Returns an entry that is not in the list yet, without a reference. */
struct entry *entry_new(struct entries *list, const char *id);
/* Finds an entry that is READY and takes a reference, for entry_put(). NULL with E_NOT_FOUND, which
 * names the container. */
struct entry *entry_get(struct entries *list, const char *id, struct err *err);
/* Drops a reference. The last one frees the entry, on the loop. */
void entry_put(struct entry *e);
/* Adds an entry to the list, which has its first reference. E_EXISTS: the id is in use. */
MUST_CHECK int entry_add(struct entry *e, struct err *err);
/* Removes an entry from the list and drops the list's reference. */
void entry_drop(struct entry *e);
void entry_set_state(struct entry *e, enum entry_state state);

/* On the loop: finds a process of a container. exec_id "" or the container's id is the first
 * process. NULL with E_NOT_FOUND. */
struct process *process_find(struct entries *list, const char *id, const char *exec_id,
			     struct err *err);
