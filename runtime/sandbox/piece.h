// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A piece of input on its way to the agent (WriteStdin), which takes it in one request or in
 * several. While the agent has no room for more input (E_LIMIT), parts of it are so short that the
 * agent takes them in any case (docs/protocol/ttrpc.md): other streams may be blocked, and this one
 * goes on.
 *
 *	piece_begin(&p, data, len);
 *	send piece_next(&p)
 *	piece_taken(&p, n)	// then, while piece_is_left(&p), the next part
 *	piece_refused(&p)	// E_LIMIT: the next part after so many milliseconds
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
	const uint8_t *data; /* borrowed */
	size_t len, done;
	size_t part; /* bytes of the request in progress */
	size_t most; /* that a request may have */
};

/* The bytes of a request. */
struct piece_part {
	uint8_t *data;
	size_t len;
};

void piece_begin(struct piece *p, const uint8_t *data, size_t len);
bool piece_is_left(const struct piece *p);
/* The part to be sent now. */
struct piece_part piece_next(struct piece *p);
/* The agent has taken n bytes of that part. False: that is impossible, and nothing has changed. */
bool piece_taken(struct piece *p, uint32_t n);
/* The agent has refused the part with E_LIMIT. Returns after how many milliseconds, at least 1, the
 * next one is to be sent. */
unsigned piece_refused(struct piece *p);
