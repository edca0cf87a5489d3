// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Points in time for time-outs, on CLOCK_BOOTTIME (counts suspended time, is never set). Deadlines
 * are passed by value: the steps of one operation share one deadline.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct deadline {
	uint64_t at_ms; /* UINT64_MAX: never */
};

#define DEADLINE_NEVER ((struct deadline){ UINT64_MAX })

uint64_t clock_ms(void); /* CLOCK_BOOTTIME */
uint64_t clock_us(void);

struct deadline deadline_in(uint64_t ms);
bool deadline_passed(struct deadline d);
/* Milliseconds left for poll(2) and epoll_wait(2): 0 when passed, -1 for never. */
int deadline_left(struct deadline d);
struct deadline deadline_min(struct deadline a, struct deadline b);
/* How long to wait before something that has failed that often (at least once) is tried again:
 * first_ms, then twice as long each time, most_ms at most; and when that ends. */
unsigned growing_pause(unsigned failures, unsigned first_ms, unsigned most_ms);
struct deadline deadline_again(unsigned failures, unsigned first_ms, unsigned most_ms);

/*
 * A condition variable with deadlines. Initialize it with cond_init(): the time-outs of
 * PTHREAD_COND_INITIALIZER follow the wall clock, which may be set.
 *
 *	while (!done && cond_wait_until(&cond, &lock, deadline))
 *		;
 */
void cond_init(pthread_cond_t *cond);
/* With the lock held: waits for a signal or the deadline. True: it has waited, and what the lock
 * guards may have changed, also if the deadline has passed now. False: the deadline had passed
 * before, and the lock was held all the time. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, struct deadline d);
