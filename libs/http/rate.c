// SPDX-License-Identifier: Apache-2.0
/*
 * The rate limit of all transfers together. libcurl's limit is per transfer and does not limit
 * small ones, so bytes are counted here: a transfer that exceeds the rate is paused.
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
	/* A rate beyond a terabyte per second needs no limit, and would overflow. */
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
