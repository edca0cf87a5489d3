// SPDX-License-Identifier: Apache-2.0
/* Checks again and again whether the agent answers. */

#include "sandbox/health.h"

#include "base/deadline.h"
#include "base/log.h"
#include "protocols/health.pb-c.h"

enum { PERIODS = 9, LATE = PERIODS / 3 };

static void on_answer(void *arg, const void *reply, const struct err *err)
{
	struct health *h = arg;

	(void)reply;
	/* An error is an answer, too; the end of the connection is noticed elsewhere. */
	if (h->silent >= LATE && !(err && err->code == E_GONE))
		log_warn("the agent has answered late: the guest is very slow",
			 LOG_I("after_ms", h->silent * h->period_ms));
	h->asked = false;
	h->silent = 0;
}

static void ask(struct health *h)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	h->asked = true;
	(void)ttrpc_call_async(h->client, "grpc.Health", "Check", &request,
			       &grpc__health_check_response__descriptor, DEADLINE_NEVER, on_answer,
			       h);
}

/* True if the period that has ended says nothing about the guest. */
static bool is_excused(struct health *h)
{
	uint64_t now = clock_ms(), took = now - h->last_ms;

	h->last_ms = now;
	return took > h->period_ms + h->period_ms / 2 || atomic_load(&h->excuses) > 0;
}

static void on_period(void *arg)
{
	struct health *h = arg;

	if (is_excused(h))
		h->silent = 0;
	else if (h->asked && ++h->silent == PERIODS)
		h->on_silent(h->arg);
	if (!h->asked)
		ask(h);
}

void health_start(struct health *h, struct loop *loop, struct ttrpc_client *client,
		  uint64_t timeout_ms, void (*on_silent)(void *arg), void *arg)
{
	h->client = client;
	h->on_silent = on_silent;
	h->arg = arg;
	h->silent = 0;
	h->asked = false;
	h->period_ms = timeout_ms / PERIODS ? timeout_ms / PERIODS : 1;
	h->last_ms = clock_ms();
	h->timer = loop_timer(loop, h->period_ms, true, on_period, h);
}

void health_stop(struct health *h)
{
	watch_remove(h->timer);
	h->timer = NULL;
}

void health_excuse(struct health *h, bool begins)
{
	if (begins)
		atomic_fetch_add(&h->excuses, 1);
	else
		atomic_fetch_sub(&h->excuses, 1);
}
