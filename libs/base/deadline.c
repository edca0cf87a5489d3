// SPDX-License-Identifier: Apache-2.0
/* Deadlines on CLOCK_BOOTTIME. */

#include "base/deadline.h"

#include <limits.h>
#include <time.h>

uint64_t clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

struct deadline deadline_in(uint64_t ms)
{
	uint64_t now = clock_ms();

	return (struct deadline){ ms < UINT64_MAX - now ? now + ms : UINT64_MAX };
}

bool deadline_passed(struct deadline d)
{
	return d.at_ms != UINT64_MAX && clock_ms() >= d.at_ms;
}

int deadline_left(struct deadline d)
{
	uint64_t now;

	if (d.at_ms == UINT64_MAX)
		return -1;
	now = clock_ms();
	if (now >= d.at_ms)
		return 0;
	return d.at_ms - now > INT_MAX ? INT_MAX : (int)(d.at_ms - now);
}

struct deadline deadline_min(struct deadline a, struct deadline b)
{
	return a.at_ms < b.at_ms ? a : b;
}
