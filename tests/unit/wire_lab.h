// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * ttRPC and protobuf by hand, for tests of both ends: field numbers are written out where they are
 * used, so that a mistake in our .proto files or in libs/ttrpc does not hide itself. Blocking.
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_REQUEST = 1, WIRE_RESPONSE = 2, WIRE_MAX = 8 << 20 };

/* Appends a field; empty texts are left out, as proto3 does. */
void wire_number(struct buf *b, unsigned field, uint64_t value);
void wire_bytes(struct buf *b, unsigned field, const void *data, size_t len);
void wire_text(struct buf *b, unsigned field, const char *text);

struct wire_value {
	uint64_t number;
	const uint8_t *data; /* NULL for a number */
	size_t len;
};

/* The nth field of that number, from 0; false if there is none or the bytes are no message. */
bool wire_find(const void *data, size_t len, unsigned field, unsigned nth, struct wire_value *out);
/* Likewise, down a path of field numbers that ends with 0; "" or 0 if it is absent. */
char *wire_get_text(const void *data, size_t len, const unsigned *path);
uint64_t wire_get_number(const void *data, size_t len, const unsigned *path);
#define WIRE_PATH(...) ((const unsigned[]){ __VA_ARGS__, 0 })

struct wire_frame {
	uint32_t len, stream;
	uint8_t type, flags;
};

/* 0, or -1 when the peer is gone. */
int wire_send_header(int fd, struct wire_frame frame);
int wire_send(int fd, uint32_t stream, uint8_t type, const struct buf *body);
/* A whole frame; -1 at the end of the stream or past the time. */
int wire_receive(int fd, int timeout_ms, struct wire_frame *frame, struct buf *body);
