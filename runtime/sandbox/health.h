// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Notices an agent that has stopped answering, which closes no connection: its VM is stopped, or its
 * kernel hangs. The agent is sent Health.Check several times in the timeout, one at a time; when
 * none was answered for the whole of it, on_silent is called, once.
 *
 *	struct health h = HEALTH_INIT;
 *	health_start(&h, loop, client, timeout_ms, on_silent, arg);
 *	...
 *	health_stop(&h)			// before the client is freed
 *	health_excuse(&h, true) ... (&h, false)
 *
 * A guest that gets no processor time is no reason to end it, so the time counts only while this
 * program gets some: if a timer of the loop is late, as on a host that was suspended or is short of
 * processors or memory, the time begins again. It also does while the VM is excused.
 *
 * On the loop, except health_excuse().
 */

#include "loop/loop.h"
#include "ttrpc/ttrpc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct health {
	struct ttrpc_client *client;
	struct watch *timer; /* NULL: stopped */
	uint64_t period_ms, last_ms;
	unsigned silent; /* periods since an answer was missing */
	bool asked;      /* a check is not answered yet */
	atomic_uint excuses;
	void (*on_silent)(void *arg);
	void *arg;
};

#define HEALTH_INIT           \
	{                     \
		.timer = NULL \
	}

void health_start(struct health *h, struct loop *loop, struct ttrpc_client *client,
		  uint64_t timeout_ms, void (*on_silent)(void *arg), void *arg);
/* May be called again. A check in progress is answered or fails later; h must live as long as the
 * client. */
void health_stop(struct health *h);
/* Any thread: begins or ends an operation during which the guest may stand still, such as one that
 * changes its memory. They may overlap. */
void health_excuse(struct health *h, bool begins);
