// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Base64 of any length (with OpenSSL). */

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Appends what the text means; white space at its ends is ignored. The buffer's limit bounds it. E_INVALID: it
 * is no base64, or not in its canonical form; name is for the error. */
MUST_CHECK int base64_decode(const char *text, const char *name, struct buf *to, struct err *err);
