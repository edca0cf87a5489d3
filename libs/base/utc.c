// SPDX-License-Identifier: Apache-2.0
/* The proleptic Gregorian calendar. */

#include "base/utc.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdbool.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { YEARS_OF_CYCLE = 400, DAYS_OF_CYCLE = 146097 };

static bool is_leap(uint64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The days from 1 January of the year 1 to 1 January of year. */
static uint64_t days_before(uint64_t year)
{
	uint64_t whole = year - 1;

	return whole * 365 + whole / 4 - whole / 100 + whole / 400;
}

/* The year of a day counted from 1 January 1970; *rest is the day of that year, from 0. */
static uint64_t year_of(uint64_t day, uint64_t *rest)
{
	uint64_t since = days_before(1970);
	uint64_t year = 1970 + day * YEARS_OF_CYCLE / DAYS_OF_CYCLE; /* off by one at most */

	while (days_before(year) - since > day)
		year--;
	while (days_before(year + 1) - since <= day)
		year++;
	*rest = day - (days_before(year) - since);
	return year;
}

void utc_print(uint64_t when, char text[UTC_SIZE])
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t day, year = year_of(when / DAY, &day);
	unsigned month = 0, length, second = (unsigned)(when % DAY);

	while (day >= (length = lengths[month] + (month == 1 && is_leap(year)))) {
		day -= length;
		month++;
	}
	(void)str_print(text, UTC_SIZE, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02u", year, month + 1,
			(unsigned)day + 1, second / HOUR, second / MINUTE % 60, second % MINUTE);
}
