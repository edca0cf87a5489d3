// SPDX-License-Identifier: Apache-2.0
/* Sends the time, one message after the other. */

#include "sandbox/clock.h"

#include "base/log.h"
#include "base/scope.h"
#include "protocols/agent.pb-c.h"

#include <time.h>

enum { PERIOD_MS = 15000 };

static void on_answer(void *arg, const void *reply, const struct err *err)
{
	struct guest_clock *c = arg;

	(void)reply;
	c->sent = false;
	if (!err || err->code == E_GONE || err->code == E_LIMIT)
		return;
	log_err(LOG_DEBUG, err, "the guest keeps its own time");
	guest_clock_stop(c);
}

static void send_time(void *arg)
{
	Grpc__FollowClockRequest request = GRPC__FOLLOW_CLOCK_REQUEST__INIT;
	struct guest_clock *c = arg;
	struct timespec now;

	if (c->sent)
		return;
	c->sent = true;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	request.sec = now.tv_sec;
	request.nsec = now.tv_nsec;
	(void)ttrpc_call_async(c->client, "grpc.AgentService", "FollowClock", &request, NULL,
			       DEADLINE_NEVER, on_answer, c);
}

void guest_clock_start(struct guest_clock *c, struct loop *loop, struct ttrpc_client *client)
{
	c->client = client;
	c->sent = false;
	c->timer = loop_timer(loop, PERIOD_MS, true, send_time, c);
	send_time(c);
}

void guest_clock_stop(struct guest_clock *c)
{
	watch_remove(STEAL(c->timer, NULL));
}
