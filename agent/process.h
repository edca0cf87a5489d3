// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A process of a container: its pipes, its exit, and the waiters for its exit.
 *
 *	struct process *p = process_new(owner, entry, exec_id);		// flow
 *	process_pipes(p, terminal, &theirs, err)
 *	...starts the child with theirs, into p->core
 *	process_watch(p)
 *
 * Threads: a flow makes it. From process_watch() on the loop alone uses all members but core, which
 * owner->lock guards once the process is in its entry's list.
 */

#include "agent/stream.h"

#include "base/err.h"
#include "base/vec.h"
#include "container/container.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdbool.h>

struct entry;
struct process;

/* What the processes of all containers have in common. */
struct process_owner {
	struct loop *loop;
	pthread_mutex_t *lock;
	unsigned pipe_size; /* 0: the kernel's */
	/* loop, with the lock held: the process has exited and was reaped. */
	void (*reaped)(struct process *p);
	/* loop: an exec has exited, somebody has waited for it, and its output was read to the end,
	 * or it is discarded. The function removes it from the list and frees it. */
	void (*over)(struct process *p);
};

/* A waiter for the end of a process. Exactly one function is called, and the caller may free
 * the struct there, or after process_wait_cancel(). */
struct process_waiter {
	void (*ended)(void *arg, int code);
	void (*removed)(void *arg, const struct err *err); /* the process was freed */
	void *arg;
};

struct process {
	const struct process_owner *owner;
	struct entry *entry; /* its container; for the owner's use */
	char *exec_id;       /* "" for the container's first process */
	bool is_ns_init; /* the first of its pid namespace: the kernel drops its unhandled signals */
	/* The child: pid and pidfd stay valid while the lock is held. */
	struct container_process core;
	struct watch *exit_watch;             /* loop */
	bool exited, waited;                  /* loop; waited: its end was reported to a waiter */
	int code;                             /* loop */
	VEC(struct process_waiter *) waiters; /* loop */
	struct stream_owner streams;
	struct stream in, out, err; /* loop */
};

/* Returns a process without a child, for process_free(). */
struct process *process_new(const struct process_owner *owner, struct entry *e,
			    const char *exec_id);
/* loop: kills the child and frees the process; it must not be in a list any more. */
void process_free(struct process *p);
/* Makes three pipes, or none for a process with a terminal. *theirs: the child's ends, for the
 * caller to close. */
MUST_CHECK int process_pipes(struct process *p, bool terminal, struct container_stdio *theirs,
			     struct err *err);
/* Any thread: has the loop watch the child's exit and the streams. */
void process_watch(struct process *p);
/* loop: calls owner->over if the process is over, which frees it. An event must not use the process
 * after this call. */
void process_settle(struct process *p);

/* loop: frees an exec that has exited, although others may hold its output open: they get SIGPIPE.
 * False, and nothing is done, for any other process. */
bool process_discard(struct process *p);

/* loop: reports the end to w at once and returns false; if the process still runs, returns true and
 * reports the end when it comes. An event must not use the process after this call. */
bool process_wait(struct process *p, struct process_waiter *w);
void process_wait_cancel(struct process *p, struct process_waiter *w);

/* With the lock held, for a process that was not reaped: sends a signal. SIGTERM becomes SIGKILL
 * for the first process of a pid namespace that does not handle it: the kernel would drop it. */
MUST_CHECK int process_signal(const struct process *p, unsigned number, struct err *err);

/* loop: the stream with the process's output or, if errors, its error output; borrowed. NULL with
 * E_FAILED: a process with a terminal has no separate error output. */
struct stream *process_output(struct process *p, bool errors, struct err *err);
/* loop: the stream with the process's input, borrowed. */
struct stream *process_input(struct process *p);
/* loop: closes the process's input after what was accepted has been written. A terminal stays
 * open. */
void process_close_input(struct process *p);
