// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Out-of-memory kills: watched for each container, kept until somebody asks. Each kill is told to
 * one caller. All on the loop.
 */

#include "base/vec.h"
#include "container/container.h"
#include "loop/loop.h"

#include <stdbool.h>

/* Waits for the next kill. The owner's memory, which is the owner's again when killed or dropped
 * (the list of events is released) is called, or after oom_wait_cancel. */
struct oom_waiter {
	void (*killed)(void *arg, const char *container);
	void (*dropped)(void *arg);
	void *arg;
};

struct oom_events {
	VEC(char *) events; /* container ids not yet told */
	VEC(struct oom_waiter *) waiters;
};

/* Tells the oldest kill that nobody knows of, at once or, if it returns true, when there is one. */
bool oom_wait(struct oom_events *events, struct oom_waiter *w);
void oom_wait_cancel(struct oom_events *events, struct oom_waiter *w);
/* Also after the loop ended. */
void oom_release(struct oom_events *events);

/* What is watched of a container. */
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

/* The caller holds a reference to the container. Nothing if it is watched already. */
void oom_watch_start(struct oom_watch *w, struct container *core);
void oom_watch_release(struct oom_watch *w);
/* Tells a kill that has just happened: before the end of the process that it was. */
void oom_check(struct oom_watch *w);
