// SPDX-License-Identifier: Apache-2.0
/*
 * The rate of all transfers together. libcurl's limit is per transfer and lets what is small
 * through at once, so we count ourselves: whoever comes with bytes too early pauses.
 */

#include "http/http-internal.h"

#include "base/deadline.h"

enum { BURST_MS = 200 };

static uint64_t allowed(const struct fetch *f)
{
	uint64_t ms = clock_ms() - f->started + BURST_MS;

	return f->o->rate / 1000 * ms + f->o->rate % 1000 * ms / 1000;
}

bool rate_allows(struct fetch *f, size_t len)
{
	/* Beyond a terabyte per second there is nothing to hold back, and numbers would overflow.
	 */
	if (f->o->rate && !(f->o->rate >> 40) && f->counted > allowed(f))
		return false;
	f->counted += len;
	return true;
}

bool rate_resume(struct fetch *f)
{
	bool waiting = false;

	for (size_t i = 0; i < f->n; i++) {
		struct transfer *t = &f->transfers[i];

		if (!t->easy || !t->paused)
			continue;
		if (f->counted > allowed(f)) {
			waiting = true;
			continue;
		}
		t->paused = false; /* it may pause again before this call returns */
		(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
	}
	return waiting;
}
