// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The differences of two small texts in the format of `diff -u`, which patch(1) reads: lines with
 * "-" and "+", three lines of context, and headers.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(DIFF_TEXT_MAX * 3);
 *	diff_unified(&(struct diff_side){ "a/config.toml", was, was_len },
 *		     &(struct diff_side){ "b/config.toml", is, is_len }, &out);
 */

#include "base/buf.h"

#include <stddef.h>

enum { DIFF_TEXT_MAX = 1 << 20 };

struct diff_side {
	const char *name; /* for the header, which has /dev/null instead if the file is missing */
	const char *text; /* NULL: the file is missing */
	size_t len;
};

/* Appends the differences to out; nothing if both texts are equal. Their number is minimal unless
 * that would take long: then everything from the first to the last differing line is replaced. If a
 * text has a NUL byte or more than DIFF_TEXT_MAX bytes, the output is one line that says that the
 * files differ. */
void diff_unified(const struct diff_side *from, const struct diff_side *to, struct buf *out);
