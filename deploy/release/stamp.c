// SPDX-License-Identifier: Apache-2.0
/* Timestamps as text. */

#include "deploy/release/stamp.h"

#include "base/str.h"
#include "base/utc.h"

#include <time.h>

void stamp_format(uint64_t when, char text[STAMP_SIZE])
{
	char second[UTC_SIZE];

	if (when > STAMP_MAX)
		bug("a moment after 9999");
	utc_print(when, second);
	(void)str_print(text, STAMP_SIZE, "%sZ", second);
}

int stamp_parse(const char *text, const char *what, uint64_t *when, struct err *err)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t t = end && !*end ? timegm(&tm) : -1;
	char again[STAMP_SIZE];

	if (t >= 0 && (uint64_t)t <= STAMP_MAX) {
		stamp_format((uint64_t)t, again);
		/* Rejects 30 February, and a blank in place of a zero. */
		if (str_eq(text, again)) {
			*when = (uint64_t)t;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "%s '%.40s' is not of the form 2026-11-24T02:08:00Z", what,
		       text);
}
