// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Out-of-memory kills. Each container's cgroup is watched; a kill is reported to one waiter, and
 * queued if nobody waits. All on the loop.
 */

#include "base/vec.h"
#include "container/container.h"
#include "loop/loop.h"

#include <stdbool.h>

/* A waiter for the next kill. Exactly one function is called, and the caller may free the
 * struct there, or after oom_wait_cancel(). */
struct oom_waiter {
	void (*killed)(void *arg, const char *container);
	void (*dropped)(void *arg); /* the list was released */
	void *arg;
};

struct oom_events {
	VEC(char *) events; /* container ids of kills that are not reported yet */
	VEC(struct oom_waiter *) waiters;
};

/* Reports the oldest queued kill to w at once and returns false; if none is queued, returns true
 * and reports the next one. */
bool oom_wait(struct oom_events *events, struct oom_waiter *w);
void oom_wait_cancel(struct oom_events *events, struct oom_waiter *w);
/* Drops the waiters and frees the list; also after the loop ended. */
void oom_release(struct oom_events *events);

/* The watch on a container's cgroup. */
struct oom_watch {
	struct loop *loop;
	struct oom_events *events;
	const char *container; /* its id */
	struct container_oom oom;
	struct watch *watch;
};

#define OOM_WATCH_INIT(loop_, events_, id_)                         \
	{                                                           \
		(loop_), (events_), (id_), CONTAINER_OOM_NONE, NULL \
	}

/* Begins to watch, unless it is watched already. The caller holds a reference to the container. */
void oom_watch_start(struct oom_watch *w, struct container *core);
void oom_watch_release(struct oom_watch *w);
/* Reads the cgroup's counter and reports a new kill now, so that it is reported before the end of
 * the process that was killed. */
void oom_check(struct oom_watch *w);
