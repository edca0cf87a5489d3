// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A moment as text, in UTC: "2026-11-24T02:08:00", as RFC 3339 has it before fraction and zone.
 * libc's own calendar is not used, since with it a static program gets time zones, locales and scanf.
 */

#include <stdint.h>

enum { UTC_SIZE = 32 };

/* when: seconds since 1970. Of a year after 9999 it prints all digits. */
void utc_print(uint64_t when, char text[UTC_SIZE]);
