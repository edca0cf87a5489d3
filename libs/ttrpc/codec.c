// SPDX-License-Identifier: Apache-2.0
/* Frame headers in and out. */

#include "ttrpc/codec.h"

#include <string.h>

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* have == TTRPC_HEADER: the header was reported, the body follows. */
enum ttrpc_event ttrpc_decode(struct ttrpc_decoder *d, const uint8_t **p, size_t *n,
			      struct ttrpc_frame *frame, const uint8_t **piece, size_t *piece_len)
{
	size_t take;

	if (d->have == TTRPC_HEADER) {
		if (!d->left) {
			d->have = 0;
			return TTRPC_END;
		}
		if (!*n)
			return TTRPC_MORE;
		take = d->left < *n ? d->left : *n;
		*piece = *p;
		*piece_len = take;
		*p += take;
		*n -= take;
		d->left -= (uint32_t)take;
		return TTRPC_BODY;
	}
	take = TTRPC_HEADER - d->have < *n ? TTRPC_HEADER - d->have : *n;
	if (take)
		memcpy(d->head + d->have, *p, take);
	d->have += take;
	*p += take;
	*n -= take;
	if (d->have < TTRPC_HEADER)
		return TTRPC_MORE;
	*frame = (struct ttrpc_frame){ be32(d->head), be32(d->head + 4), d->head[8], d->head[9] };
	d->left = frame->len;
	return TTRPC_FRAME;
}

void ttrpc_encode_header(const struct ttrpc_frame *frame, uint8_t out[TTRPC_HEADER])
{
	put_be32(out, frame->len);
	put_be32(out + 4, frame->stream);
	out[8] = frame->type;
	out[9] = frame->flags;
}
