// SPDX-License-Identifier: Apache-2.0
/* Deadlines on CLOCK_BOOTTIME, and waiting for condition variables until one. */

#include "base/deadline.h"

#include "base/err.h"

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

unsigned growing_pause(unsigned failures, unsigned first_ms, unsigned most_ms)
{
	uint64_t pause = first_ms;

	while (--failures && pause < most_ms)
		pause *= 2;
	return pause < most_ms ? (unsigned)pause : most_ms;
}

struct deadline deadline_again(unsigned failures, unsigned first_ms, unsigned most_ms)
{
	return deadline_in(growing_pause(failures, first_ms, most_ms));
}

/* --- condition variables --- */

/* Condition variables know CLOCK_REALTIME and CLOCK_MONOTONIC only. */
void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) != 0 ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(cond, &attr) != 0)
		bug("no condition variable on CLOCK_MONOTONIC");
	(void)pthread_condattr_destroy(&attr);
}

bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, struct deadline d)
{
	int left = deadline_left(d);
	struct timespec until;

	if (left == 0)
		return false;
	if (left < 0) {
		(void)pthread_cond_wait(cond, lock);
		return true;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += left / 1000;
	until.tv_nsec += (left % 1000) * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_cond_timedwait(cond, lock, &until);
	return true;
}
