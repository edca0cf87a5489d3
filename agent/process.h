// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A process of a container: its pipes, its exit, and who waits for it.
 *
 * Threads: made on a flow; from process_watch on, all but core belongs to the loop. core is guarded
 * by the owner's lock once the process is listed.
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
	/* loop: an exec has exited, was waited for, and its output was read to the end. To be
	 * unlisted and freed. */
	void (*over)(struct process *p);
};

/* Waits for the end of a process. The owner's memory, which is the owner's again when ended or
 * removed (the process was freed) is called, or after process_wait_cancel. */
struct process_waiter {
	void (*ended)(void *arg, int code);
	void (*removed)(void *arg, const struct err *err);
	void *arg;
};

struct process {
	const struct process_owner *owner;
	struct entry *entry; /* the owner's: which container it is of */
	char *exec_id;       /* "" for the container's first process */
	/* The child: pid and pidfd stay valid while the lock is held. */
	struct container_process core;
	struct watch *exit_watch;             /* loop */
	bool exited, waited;                  /* loop */
	int code;                             /* loop */
	VEC(struct process_waiter *) waiters; /* loop */
	struct stream_owner streams;
	struct stream in, out, err; /* loop */
};

struct process *process_new(const struct process_owner *owner, struct entry *e,
			    const char *exec_id);
/* loop. Called only by the owner: the entry being freed, the owner's over, or a flow that has not
 * listed it. */
void process_free(struct process *p);
/* Makes the three pipes (none with a terminal); theirs gets the child's ends, owned by the
 * caller. */
MUST_CHECK int process_pipes(struct process *p, bool terminal, struct container_stdio *theirs,
			     struct err *err);
/* Any thread: the loop watches its exit and its streams from now on. */
void process_watch(struct process *p);
/* loop: tells the owner if it is over. An event must not use the process after this call. */
void process_settle(struct process *p);

/* loop: tells the end, at once or, if it returns true, when it is there. An event must not use the
 * process after this call. */
bool process_wait(struct process *p, struct process_waiter *w);
void process_wait_cancel(struct process *p, struct process_waiter *w);

/* With the lock held, a process that was not reaped. SIGTERM ends the first process of a container
 * also if it does not handle it. */
MUST_CHECK int process_signal(const struct process *p, unsigned number, struct err *err);

/* loop: the stream that it writes. E_FAILED: a terminal has no separate errors. */
struct stream *process_output(struct process *p, bool errors, struct err *err);
/* loop: the stream that it reads. */
struct stream *process_input(struct process *p);
/* loop: nothing more will be written. A terminal stays open. */
void process_close_input(struct process *p);
