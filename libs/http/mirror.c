// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses the next mirror. It prefers, in this order, a mirror that is not set aside; one with
 * lives; one that does not pause; another than the one that just failed; the earlier one in the
 * list.
 */

#include "http/http-internal.h"

#include "base/deadline.h"

struct mirror *mirror_choose(struct mirror *all, size_t n, const struct transfer *t)
{
	struct mirror *best = NULL;
	unsigned best_score = 0;
	uint64_t now = clock_ms();

	for (size_t i = 0; i < n; i++) {
		struct mirror *m = &all[i];
		unsigned score = 1;

		if (t->refused & 1U << i)
			continue;
		score += m->why.code == E_OK ? 8 : 0;
		score += m->lives ? 4 : 0;
		score += m->not_before <= now ? 2 : 0;
		score += m != t->mirror || !t->tries ? 1 : 0;
		if (score > best_score) {
			best = m;
			best_score = score;
		}
	}
	return best;
}
