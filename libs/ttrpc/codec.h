// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The ttRPC frame codec. It does no I/O, does not block and does not allocate: it consumes bytes
 * and returns events; bodies are passed on in pieces.
 *
 *	for (;;)
 *		switch (ttrpc_decode(&d, &p, &n, &frame, &piece, &piece_len)) {
 *		case TTRPC_MORE:  return;		// feed more bytes
 *		case TTRPC_FRAME: ...			// a header: frame.len bytes of body follow
 *		case TTRPC_BODY:  ...			// piece_len bytes of it
 *		case TTRPC_END:   ...			// the frame is complete
 *		}
 *
 * A frame longer than TTRPC_MESSAGE_MAX is reported like any other: the caller decides at its
 * header whether to skip it or to close the connection.
 */

#include <stddef.h>
#include <stdint.h>

enum { TTRPC_HEADER = 10 };
enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };
enum ttrpc_flags { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

struct ttrpc_frame {
	uint32_t len, stream;
	uint8_t type, flags;
};

struct ttrpc_decoder {
	uint8_t head[TTRPC_HEADER];
	size_t have;   /* bytes of head */
	uint32_t left; /* bytes of the body still to come */
};

enum ttrpc_event { TTRPC_MORE, TTRPC_FRAME, TTRPC_BODY, TTRPC_END };

/* Consumes bytes from *p and *n up to the next event. *frame is set with TTRPC_FRAME; with
 * TTRPC_BODY *piece points into the input. A decoder is initialized with zeros. */
enum ttrpc_event ttrpc_decode(struct ttrpc_decoder *d, const uint8_t **p, size_t *n,
			      struct ttrpc_frame *frame, const uint8_t **piece, size_t *piece_len);
void ttrpc_encode_header(const struct ttrpc_frame *frame, uint8_t out[TTRPC_HEADER]);
