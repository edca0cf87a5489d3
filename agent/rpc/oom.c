// SPDX-License-Identifier: Apache-2.0
/* GetOOMEvent, which is kept until a process is killed. */

#include "agent/rpc/rpc.h"

#include "agent/sandbox.h"
#include "base/mem.h"
#include "protocols/agent.pb-c.h"

#include <stdlib.h>

struct kept {
	struct oom_waiter waiter;
	struct oom_events *events;
	struct ttrpc_call *call;
};

static void reply_event(void *arg, const char *container)
{
	struct kept *k = arg;
	Grpc__OOMEvent event = GRPC__OOMEVENT__INIT;

	event.container_id = (char *)container;
	ttrpc_reply(k->call, &event);
	free(k);
}

static void on_cancel(void *arg)
{
	struct kept *k = arg;

	oom_wait_cancel(k->events, &k->waiter);
	answer_cancelled(k->call);
	free(k);
}

void on_get_oom_event(struct ttrpc_call *call, const void *request, void *arg)
{
	struct sandbox *s = arg;
	struct kept *k = NEW(struct kept);

	(void)request;
	/* When the waiter is dropped, the call was freed with the server. */
	*k = (struct kept){ { reply_event, free, k }, &s->containers.oom, call };
	if (oom_wait(&s->containers.oom, &k->waiter))
		ttrpc_call_on_cancel(call, on_cancel, k);
}
