// SPDX-License-Identifier: Apache-2.0
/* Bounded growing buffer. Invariant: data is NULL, or len < cap and data[len] == 0. */

#include "base/buf.h"

#include "base/mem.h"

#include <string.h>

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->over = false;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_room(struct buf *b, size_t len)
{
	size_t need, cap;

	if (len > b->max || b->len > b->max - len) {
		b->over = true;
		return NULL;
	}
	need = b->len + len + 1;
	if (need > b->cap) {
		cap = b->cap ? b->cap : 64;
		while (cap < need)
			cap *= 2;
		if (cap > b->max + 1)
			cap = b->max + 1;
		b->data = xreallocarray(b->data, cap, 1);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	char *room = buf_room(b, len);

	if (!room)
		return;
	if (len)
		memcpy(room, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_chr(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vfmt(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		bug("format %s", fmt);
	room = buf_room(b, (size_t)len);
	if (!room)
		return;
	(void)vsnprintf(room, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vfmt(b, fmt, ap);
	va_end(ap);
}

void buf_eat(struct buf *b, size_t n)
{
	if (n > b->len)
		bug("eat %zu of %zu bytes", n, b->len);
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

int buf_check(const struct buf *b, const char *what, struct err *err)
{
	if (b->over)
		return err_set(err, E_LIMIT, "%s is larger than %zu bytes", what, b->max);
	return 0;
}

char *buf_steal(struct buf *b)
{
	char *data = b->data ? b->data : xstrdup("");

	b->data = NULL;
	buf_release(b);
	return data;
}

const char *buf_cstr(const struct buf *b)
{
	return b->data ? b->data : "";
}
