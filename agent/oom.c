// SPDX-License-Identifier: Apache-2.0
/* Out-of-memory kills: watched per container, delivered to the callers of GetOOMEvent. All on the
 * loop.
 */

#include "agent/agent.h"
#include "agent/rpc/rpc.h"

#include "base/log.h"
#include "base/mem.h"

enum { KEPT_MAX = 64 };

/* A call that waits for the next kill. */
struct oom_waiter {
	struct sandbox *sandbox;
	struct ttrpc_call *call;
};

static void reply_event(struct ttrpc_call *call, const char *id)
{
	Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

	event.container_id = (char *)id;
	ttrpc_reply(call, &event);
}

static void report(struct sandbox *s, const char *id)
{
	if (s->oom_waiters.n) {
		struct oom_waiter *w = s->oom_waiters.v[0];

		vec_remove(&s->oom_waiters, 0);
		reply_event(w->call, id);
		free(w);
	} else if (s->oom_events.n < KEPT_MAX) {
		vec_push(&s->oom_events, xstrdup(id));
	}
}

static void on_event(void *arg, uint32_t events)
{
	struct entry *e = arg;
	struct err err = ERR_INIT;
	uint64_t before = e->oom.kills;

	(void)events;
	if (container_oom_read(&e->oom, &err) < 0) {
		oom_watch_release(e); /* the cgroup is gone */
		return;
	}
	if (e->oom.kills > before) {
		log_warn("out of memory: a process was killed", LOG_S("container", e->id));
		report(e->sandbox, e->id);
	}
}

void oom_watch_start(struct entry *e)
{
	struct err err = ERR_INIT;

	if (e->oom.fd >= 0)
		return;
	/* The caller holds a reference to the container. */
	if (container_oom_open(e->core, &e->oom, &err) < 0) {
		log_err(LOG_DEBUG, &err, "no OOM events", LOG_S("container", e->id));
		return;
	}
	e->oom_watch = loop_watch(e->sandbox->loop, e->oom.fd, e->oom.events, on_event, e);
}

void oom_watch_release(struct entry *e)
{
	watch_remove(STEAL(e->oom_watch, NULL));
	container_oom_close(&e->oom);
}

static void on_cancel(void *arg)
{
	struct oom_waiter *w = arg;
	struct sandbox *s = w->sandbox;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < s->oom_waiters.n; i++) {
		if (s->oom_waiters.v[i] == w) {
			vec_remove(&s->oom_waiters, i);
			break;
		}
	}
	err_set(&err, E_CANCELLED, "the caller is gone");
	ttrpc_fail(w->call, &err);
	free(w);
}

void on_get_oom_event(struct ttrpc_call *call, const void *request, void *arg)
{
	struct sandbox *s = arg;
	struct oom_waiter *w;

	(void)request;
	if (s->oom_events.n) {
		AUTO(str) char *id = s->oom_events.v[0];

		vec_remove(&s->oom_events, 0);
		reply_event(call, id);
		return;
	}
	w = NEW(struct oom_waiter);
	*w = (struct oom_waiter){ s, call };
	vec_push(&s->oom_waiters, w);
	ttrpc_call_on_cancel(call, on_cancel, w);
}

void oom_release(struct sandbox *s)
{
	for (size_t i = 0; i < s->oom_events.n; i++)
		free(s->oom_events.v[i]);
	vec_release(&s->oom_events);
	for (size_t i = 0; i < s->oom_waiters.n; i++)
		free(s->oom_waiters.v[i]); /* their calls were freed with the server */
	vec_release(&s->oom_waiters);
}
