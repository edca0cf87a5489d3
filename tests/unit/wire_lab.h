// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads and writes ttRPC frames and protobuf messages without libs/ttrpc and the .proto files, for
 * tests of clients and servers. Field numbers are written out where they are used: if both ends of
 * a test used our own code, it would not see a mistake in it. All functions block.
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_REQUEST = 1, WIRE_RESPONSE = 2, WIRE_MAX = 8 << 20 };

/* These append a field. An empty text is left out, as proto3 requires. */
void wire_number(struct buf *b, unsigned field, uint64_t value);
void wire_bytes(struct buf *b, unsigned field, const void *data, size_t len);
void wire_text(struct buf *b, unsigned field, const char *text);

struct wire_value {
	uint64_t number;
	const uint8_t *data; /* NULL for a number */
	size_t len;
};

/* Finds the nth field with that number; the first is 0. False if there is none or the bytes are not
 * a message. */
bool wire_find(const void *data, size_t len, unsigned field, unsigned nth, struct wire_value *out);
/* Follow a path of field numbers into nested messages; the path ends with 0. "" or 0 if the field
 * is absent. */
char *wire_get_text(const void *data, size_t len, const unsigned *path);
uint64_t wire_get_number(const void *data, size_t len, const unsigned *path);
#define WIRE_PATH(...) ((const unsigned[]){ __VA_ARGS__, 0 })

struct wire_frame {
	uint32_t len, stream;
	uint8_t type, flags;
};

/* These return 0, or -1 when the peer is gone. */
int wire_send_header(int fd, struct wire_frame frame);
int wire_send(int fd, uint32_t stream, uint8_t type, const struct buf *body);
/* Receives a whole frame; -1 at the end of the stream or after timeout_ms. */
int wire_receive(int fd, int timeout_ms, struct wire_frame *frame, struct buf *body);
