// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Tells the agent the time, at once and then every quarter of a minute: the guest has nothing that
 * keeps its clock right. Only this project's agent takes part (FollowClock); another one is asked
 * once. On the loop.
 *
 *	struct guest_clock c = GUEST_CLOCK_INIT;
 *	guest_clock_start(&c, loop, client);
 *	...
 *	guest_clock_stop(&c)		// before the client is freed
 */

#include "loop/loop.h"
#include "ttrpc/ttrpc.h"

#include <stdbool.h>

struct guest_clock {
	struct ttrpc_client *client;
	struct watch *timer; /* NULL: stopped */
	bool sent;           /* a message is not answered yet */
};

#define GUEST_CLOCK_INIT      \
	{                     \
		.timer = NULL \
	}

void guest_clock_start(struct guest_clock *c, struct loop *loop, struct ttrpc_client *client);
/* May be called again. A message is answered or fails later; c must live as long as the client. */
void guest_clock_stop(struct guest_clock *c);
