// SPDX-License-Identifier: Apache-2.0
/* Measures the rate of the time stamp counter against CLOCK_MONOTONIC_RAW. */

#include "vmm/qemu/tsc.h"

#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

enum { MEASURE_NS = 2000000, TRIES = 16, NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

struct sample {
	uint64_t ns, ticks;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Reads clock and counter at the same time: of several tries the one that took the least time. */
static struct sample take_sample(void)
{
	uint64_t least = UINT64_MAX;
	struct sample best = { 0, 0 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = now_ns(), ticks = __rdtsc(), gap = now_ns() - before;

		if (gap < least) {
			least = gap;
			best = (struct sample){ before + gap / 2, ticks };
		}
	}
	return best;
}

uint64_t tsc_khz(void)
{
	const struct timespec pause = { 0, MEASURE_NS };
	struct sample begin = take_sample(), end;

	(void)nanosleep(&pause, NULL); /* a signal only shortens the measurement */
	end = take_sample();
	return (end.ticks - begin.ticks) * NS_PER_MS / (end.ns - begin.ns);
}

#else

uint64_t tsc_khz(void)
{
	return 0;
}

#endif
