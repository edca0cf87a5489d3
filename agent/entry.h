// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The list of containers: finding one, keeping it while it is used, and freeing it.
 *
 * Threads: events (process exits, streams, requests that do not block) run on the loop's thread;
 * flows run on threads of their own. entries.lock guards the list, the states and the reference
 * counts; no other lock is taken below it. Members marked "loop" are accessed on the loop's thread
 * only. Entries and processes are freed on that thread too, so an event may use what it found until
 * it returns; a flow needs a reference.
 */

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
	ENTRY_LEFTOVER, /* container gone, but removal incomplete; may be repeated */
};

struct entry {
	struct entries *list;
	char *id;
	char *bundle;                    /* GUEST_DIR/<id>: has config.json, if there are hooks */
	char *termination_log;           /* its path in the guest, or NULL */
	enum entry_state state;          /* lock */
	struct container *core;          /* set once; of an entry that is READY or REMOVING */
	VEC(struct process *) processes; /* the first is the container's; lock */
	char **storages;                 /* mount points that it holds */
	unsigned refs;                   /* lock */
	bool in_pid_ns_of_others; /* its processes do not end with its first one by themselves */
	struct oom_watch oom;     /* loop */
};

struct entries {
	struct loop *loop;
	struct process_owner processes; /* of every container */
	pthread_mutex_t lock;
	pthread_cond_t released; /* an entry's reference was dropped */
	VEC(struct entry *) v;
	struct oom_events oom; /* loop */
};

void entries_init(struct entries *list, struct loop *loop, unsigned pipe_size);
/* Drops every entry. After the loop ended. */
void entries_drop(struct entries *list);
/* Frees the list; then the entries that were dropped may still be freed. */
void entries_release(struct entries *list);

/* Ends every process of every container. */
void entries_kill(struct entries *list);
/* The containers' ids, or NULL. */
char **entries_ids(struct entries *list);

/* An entry that is not in the list yet, without a reference. */
struct entry *entry_new(struct entries *list, const char *id);
/* Finds an entry that is READY and takes a reference; E_NOT_FOUND names the container. */
struct entry *entry_get(struct entries *list, const char *id, struct err *err);
void entry_put(struct entry *e);
/* Adds an entry; E_EXISTS if the id is in use. The first reference is the list's. */
MUST_CHECK int entry_add(struct entry *e, struct err *err);
/* Removes it from the list; dropping the last reference frees it on the loop. */
void entry_drop(struct entry *e);
void entry_set_state(struct entry *e, enum entry_state state);

/* On the loop: a process of a container, "" for the first. E_NOT_FOUND. */
struct process *process_find(struct entries *list, const char *id, const char *exec_id,
			     struct err *err);
