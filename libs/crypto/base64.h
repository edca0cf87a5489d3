// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Base64 of any length (with OpenSSL). */

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Appends the decoded bytes to to; white space at the ends of text is ignored. E_INVALID if text is
 * not base64 in canonical form, E_LIMIT if the bytes do not fit. name is for messages. */
MUST_CHECK int base64_decode(const char *text, const char *name, struct buf *to, struct err *err);
