// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The differences of two small texts, as `diff -u` shows them: lines with "-" and "+", three lines
 * around each, and headers from which patch(1) makes one text out of the other.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(DIFF_TEXT_MAX * 3);
 *	diff_unified(&(struct diff_side){ "a/config.toml", was, was_len },
 *		     &(struct diff_side){ "b/config.toml", is, is_len }, &out);
 */

#include "base/buf.h"

#include <stddef.h>

enum { DIFF_TEXT_MAX = 1 << 20 };

struct diff_side {
	const char *name; /* for the header; of a missing file it is /dev/null instead */
	const char *text; /* NULL: there is no file */
	size_t len;
};

/* Appends nothing if both are the same. The differences are the fewest lines, unless that would take
 * long: then all from the first to the last line that differ are replaced. A text with a NUL byte,
 * or of more than DIFF_TEXT_MAX bytes, is only said to differ. */
void diff_unified(const struct diff_side *from, const struct diff_side *to, struct buf *out);
