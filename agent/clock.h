// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Keeps the guest's clock at the time of the host, which the runtime sends again and again. A
 * message takes some time, on a busy host much, so the host's time is at least what the message
 * says: a clock that is behind it is certainly behind, while one that is ahead may be right. Of
 * several messages the one that took the least time counts.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct clock_filter {
	bool begun;
	unsigned n;   /* messages since the clock was changed, or found to be right */
	int64_t most; /* of their differences */
};

/* By how many nanoseconds to change the clock now, or 0. ahead: how far the host's time in a message
 * is ahead of the guest's. *step: at once, instead of slowly. */
int64_t clock_filter_take(struct clock_filter *f, int64_t ahead, bool *step);

/* Takes the host's time from a message. Loop. E_UNSUPPORTED: the guest has another init, and
 * programs for that. */
MUST_CHECK int clock_follow(const struct timespec *host, struct err *err);
