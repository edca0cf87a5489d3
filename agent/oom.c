// SPDX-License-Identifier: Apache-2.0
/* Out-of-memory kills: watched per container, handed to whoever asks GetOOMEvent. All on the loop.
 */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

enum { KEPT_MAX = 64 };

static void report(struct sandbox *s, const char *id)
{
	Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

	if (s->oom_calls.n) {
		struct ttrpc_call *call = s->oom_calls.v[0];

		vec_remove(&s->oom_calls, 0);
		event.container_id = (char *)id;
		ttrpc_reply(call, &event);
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
	bool removing;

	(void)pthread_mutex_lock(&e->sandbox->lock);
	removing = e->removing;
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	if (removing || e->oom.fd >= 0)
		return;
	if (container_oom_open(e->core, &e->oom, &err) < 0) {
		log_err(LOG_DEBUG, &err, "no OOM events", LOG_S("container", e->id));
		return;
	}
	e->oom_watch = loop_watch(e->sandbox->loop, e->oom.fd, e->oom.events, on_event, e);
}

void oom_watch_release(struct entry *e)
{
	watch_remove(e->oom_watch);
	e->oom_watch = NULL;
	container_oom_close(&e->oom);
}

struct kept_call {
	struct sandbox *sandbox;
	struct ttrpc_call *call;
};

static void on_cancel(void *arg)
{
	struct kept_call *kept = arg;
	struct sandbox *s = kept->sandbox;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < s->oom_calls.n; i++) {
		if (s->oom_calls.v[i] != kept->call)
			continue;
		vec_remove(&s->oom_calls, i);
		err_set(&err, E_CANCELLED, "the caller is gone");
		ttrpc_fail(kept->call, &err);
		break;
	}
	free(kept);
}

HANDLER(get_oom_event)
{
	struct sandbox *s = arg;
	struct kept_call *kept;

	(void)request;
	if (s->oom_events.n) {
		Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

		event.container_id = s->oom_events.v[0];
		vec_remove(&s->oom_events, 0);
		ttrpc_reply(call, &event);
		free(event.container_id);
		return;
	}
	kept = NEW(struct kept_call);
	*kept = (struct kept_call){ s, call };
	vec_push(&s->oom_calls, call);
	ttrpc_call_on_cancel(call, on_cancel, kept);
}
