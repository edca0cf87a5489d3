// SPDX-License-Identifier: Apache-2.0
/* Decides about the clock, and changes it. */

#include "agent/clock.h"

#include <sys/time.h>
#include <unistd.h>

enum { MESSAGES = 4 };

#define S_NS 1000000000LL
/* Differences below are within the time that a message takes. */
#define RIGHT_NS (2 * S_NS / 1000)
/* The kernel changes the clock slowly by half a millisecond each second. */
#define STEP_NS (S_NS / 2)

/* The first time nothing depends on the clock yet: the kernel read whole seconds at boot. */
int64_t clock_filter_take(struct clock_filter *f, int64_t ahead, bool *step)
{
	int64_t change;

	*step = ahead >= STEP_NS || (!f->begun && ahead > 0);
	f->begun = true;
	f->most = !f->n || ahead > f->most ? ahead : f->most;
	if (++f->n < MESSAGES && !*step)
		return 0;
	f->n = 0;
	change = *step ? ahead : f->most;
	*step = *step || change <= -STEP_NS;
	return change < RIGHT_NS && change > -RIGHT_NS ? 0 : change;
}

static int64_t ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * S_NS + t->tv_nsec;
}

static int set_clock(int64_t ns, struct err *err)
{
	const struct timespec t = { .tv_sec = ns / S_NS, .tv_nsec = ns % S_NS };

	return clock_settime(CLOCK_REALTIME, &t) < 0 ? err_sys(err, "set the clock") : 0;
}

static int slew_clock(int64_t ns, struct err *err)
{
	/* Whole seconds and microseconds of the same sign. */
	const struct timeval t = { .tv_sec = ns / S_NS, .tv_usec = ns % S_NS / 1000 };

	return adjtime(&t, NULL) < 0 ? err_sys(err, "adjust the clock") : 0;
}

int clock_follow(const struct timespec *host, struct err *err)
{
	static struct clock_filter filter;
	struct timespec now;
	int64_t change;
	bool step;

	if (getpid() != 1)
		return err_set(err, E_UNSUPPORTED, "the clock is not the agent's");
	if (host->tv_sec < 0 || host->tv_sec > INT64_MAX / S_NS - 1 || host->tv_nsec < 0 ||
	    host->tv_nsec >= S_NS)
		return err_set(err, E_INVALID, "no time of day");
	(void)clock_gettime(CLOCK_REALTIME, &now);
	change = clock_filter_take(&filter, ns_of(host) - ns_of(&now), &step);
	if (!change)
		return 0;
	return step ? set_clock(ns_of(&now) + change, err) : slew_clock(change, err);
}
