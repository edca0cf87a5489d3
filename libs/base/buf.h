// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A growing byte buffer with a size limit that is set at initialization.
 *
 *	AUTO(buf) struct buf b = BUF_INIT(64 * 1024);
 *	buf_fmt(&b, "%s=%d\n", name, value);
 *	buf_add(&b, data, len);
 *	if (buf_check(&b, "metrics", err) < 0)		// the one place where overflow is seen
 *		return -1;
 *	use(b.data, b.len);				// b.data is NUL-terminated after any add
 *
 * Overflow is sticky: an add beyond the limit stores nothing and makes buf_check() fail, so that a
 * sequence of adds needs only one check. data is NULL until the first add.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, cap;
	size_t max; /* bytes, without the terminating NUL */
	bool over;
};

#define BUF_INIT(limit)        \
	{                      \
		.max = (limit) \
	}

void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties it, keeps the memory, forgets an overflow */

void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_chr(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vfmt(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Reserves len more bytes and returns their address, or NULL on overflow. The caller writes n <=
 * len bytes there and adds n to b->len; room for the NUL after them is reserved too, but the caller
 * has to write it if data is used as a string. */
char *buf_room(struct buf *b, size_t len);

/* Drops the first n bytes. */
void buf_eat(struct buf *b, size_t n);

/* E_LIMIT if any add did not fit; what names the contents in the message. */
MUST_CHECK int buf_check(const struct buf *b, const char *what, struct err *err);

/* Hands the NUL-terminated contents to the caller, who frees them; the buffer is empty again. */
char *buf_steal(struct buf *b);

/* The contents as a string: "" when nothing was added. Valid until the next change. */
const char *buf_cstr(const struct buf *b);

DEFINE_AUTO_STRUCT(buf, struct buf, buf_release)
