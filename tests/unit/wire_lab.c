// SPDX-License-Identifier: Apache-2.0
/* A small ttRPC and protobuf of our own for tests. */

#include "tests/unit/wire_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void varint(struct buf *b, uint64_t value)
{
	for (; value > 127; value >>= 7)
		buf_chr(b, (char)(value | 128));
	buf_chr(b, (char)value);
}

void wire_number(struct buf *b, unsigned field, uint64_t value)
{
	varint(b, field << 3);
	varint(b, value);
}

void wire_bytes(struct buf *b, unsigned field, const void *data, size_t len)
{
	varint(b, field << 3 | 2);
	varint(b, len);
	buf_add(b, data, len);
}

void wire_text(struct buf *b, unsigned field, const char *text)
{
	if (*text)
		wire_bytes(b, field, text, strlen(text));
}

/* --- reading --- */

static bool take_varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
		uint8_t c = *(*p)++;

		*out |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

bool wire_find(const void *data, size_t len, unsigned field, unsigned nth, struct wire_value *out)
{
	const uint8_t *p = data, *end = p + len;
	uint64_t key, length;

	while (p < end && take_varint(&p, end, &key)) {
		*out = (struct wire_value){ 0 };
		if ((key & 7) == 0) {
			if (!take_varint(&p, end, &out->number))
				return false;
		} else if ((key & 7) == 2) {
			if (!take_varint(&p, end, &length) || length > (size_t)(end - p))
				return false;
			out->data = p;
			out->len = (size_t)length;
			p += length;
		} else {
			return false; /* our messages have no fixed-width fields */
		}
		if (key >> 3 == field && nth-- == 0)
			return true;
	}
	return false;
}

static bool follow(const void *data, size_t len, const unsigned *path, struct wire_value *v)
{
	for (; *path; path++) {
		if (!data || !wire_find(data, len, *path, 0, v))
			return false;
		data = v->data;
		len = v->len;
	}
	return true;
}

char *wire_get_text(const void *data, size_t len, const unsigned *path)
{
	struct wire_value v;

	if (!follow(data, len, path, &v) || !v.data)
		return xstrdup("");
	return xstrndup((const char *)v.data, v.len);
}

uint64_t wire_get_number(const void *data, size_t len, const unsigned *path)
{
	struct wire_value v;

	return follow(data, len, path, &v) && !v.data ? v.number : 0;
}

/* --- frames --- */

int wire_send_header(int fd, struct wire_frame f)
{
	const uint8_t head[10] = { (uint8_t)(f.len >> 24),
				   (uint8_t)(f.len >> 16),
				   (uint8_t)(f.len >> 8),
				   (uint8_t)f.len,
				   (uint8_t)(f.stream >> 24),
				   (uint8_t)(f.stream >> 16),
				   (uint8_t)(f.stream >> 8),
				   (uint8_t)f.stream,
				   f.type,
				   f.flags };
	struct err gone = ERR_INIT;

	return fd_write_all(fd, head, sizeof(head), &gone);
}

int wire_send(int fd, uint32_t stream, uint8_t type, const struct buf *body)
{
	struct err gone = ERR_INIT;

	if (wire_send_header(fd, (struct wire_frame){ (uint32_t)body->len, stream, type, 0 }) < 0)
		return -1;
	return fd_write_all(fd, body->data, body->len, &gone);
}

static int read_all(int fd, void *data, size_t len, struct deadline deadline)
{
	uint8_t *p = data;

	while (len) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&wait, 1, deadline_left(deadline)) == 0)
			return -1;
		n = read(fd, p, len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int wire_receive(int fd, int timeout_ms, struct wire_frame *frame, struct buf *body)
{
	struct deadline deadline = deadline_in((uint64_t)timeout_ms);
	uint8_t head[10];
	char *room;

	buf_clear(body);
	if (read_all(fd, head, sizeof(head), deadline) < 0)
		return -1;
	*frame = (struct wire_frame){ be32(head), be32(head + 4), head[8], head[9] };
	room = buf_room(body, frame->len);
	if (!room || read_all(fd, room, frame->len, deadline) < 0)
		return -1;
	body->len = frame->len;
	return 0;
}
