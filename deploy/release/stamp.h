// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Formats and parses timestamps: UTC, in the form "2026-11-24T02:08:00Z" (RFC 3339) only, from 1970
 * to 9999. */

#include "base/err.h"

#include <stdint.h>

enum { STAMP_SIZE = 21 };
#define STAMP_MAX UINT64_C(253402300799)

/* when: seconds since 1970, at most STAMP_MAX. */
void stamp_format(uint64_t when, char text[STAMP_SIZE]);
/* what names the value in the message. E_INVALID: text does not have that form. */
MUST_CHECK int stamp_parse(const char *text, const char *what, uint64_t *when, struct err *err);
