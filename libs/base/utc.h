// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A moment as text, in UTC: "2026-11-24T02:08:00", the date and time of RFC 3339 without fraction
 * and zone. libc's gmtime_r and strftime would link time zones, locales and scanf into a static
 * program.
 */

#include <stdint.h>

enum { UTC_SIZE = 32 };

/* when: seconds since 1970. A year after 9999 is printed with all its digits. */
void utc_print(uint64_t when, char text[UTC_SIZE]);
