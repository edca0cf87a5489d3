// SPDX-License-Identifier: Apache-2.0
/* Watches each container's cgroup for out-of-memory kills, and reports them to waiters. All on the
 * loop. */

#include "agent/oom.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <stdlib.h>

enum { KEPT_MAX = 64 };

static bool is_kept(const struct oom_events *e, const char *id)
{
	for (size_t i = 0; i < e->events.n; i++) {
		if (str_eq(e->events.v[i], id))
			return true;
	}
	return false;
}

/* A container's event is kept once: the shim asks for the next one only from time to time. */
static void report(struct oom_events *to, const char *id)
{
	if (to->waiters.n) {
		struct oom_waiter *w = to->waiters.v[0];

		vec_remove(&to->waiters, 0);
		w->killed(w->arg, id);
	} else if (to->events.n < KEPT_MAX && !is_kept(to, id)) {
		vec_push(&to->events, xstrdup(id));
	}
}

void oom_check(struct oom_watch *w)
{
	struct err err = ERR_INIT;
	uint64_t before = w->oom.kills;

	if (w->oom.fd < 0)
		return;
	if (container_oom_read(&w->oom, &err) < 0) {
		oom_watch_release(w); /* the cgroup is gone */
		return;
	}
	if (w->oom.kills > before) {
		log_warn("out of memory: a process was killed", LOG_S("container", w->container));
		report(w->events, w->container);
	}
}

static void on_event(void *arg, uint32_t events)
{
	(void)events;
	oom_check(arg);
}

void oom_watch_start(struct oom_watch *w, struct container *core)
{
	struct err err = ERR_INIT;

	if (w->oom.fd >= 0)
		return;
	if (container_oom_open(core, &w->oom, &err) < 0) {
		log_err(LOG_DEBUG, &err, "no OOM events", LOG_S("container", w->container));
		return;
	}
	w->watch = loop_watch(w->loop, w->oom.fd, w->oom.events, on_event, w);
}

void oom_watch_release(struct oom_watch *w)
{
	watch_remove(STEAL(w->watch, NULL));
	container_oom_close(&w->oom);
}

bool oom_wait(struct oom_events *events, struct oom_waiter *w)
{
	if (events->events.n) {
		AUTO(str) char *id = events->events.v[0];

		vec_remove(&events->events, 0);
		w->killed(w->arg, id);
		return false;
	}
	vec_push(&events->waiters, w);
	return true;
}

void oom_wait_cancel(struct oom_events *events, struct oom_waiter *w)
{
	for (size_t i = 0; i < events->waiters.n; i++) {
		if (events->waiters.v[i] == w) {
			vec_remove(&events->waiters, i);
			return;
		}
	}
}

void oom_release(struct oom_events *events)
{
	for (size_t i = 0; i < events->events.n; i++)
		free(events->events.v[i]);
	vec_release(&events->events);
	for (size_t i = 0; i < events->waiters.n; i++)
		events->waiters.v[i]->dropped(events->waiters.v[i]->arg);
	vec_release(&events->waiters);
}
