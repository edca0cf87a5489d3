// SPDX-License-Identifier: Apache-2.0
/* The protobuf encoding of a response with one field of bytes. */

#include "ttrpc/bytes.h"

enum { VARINT = 0, LEN = 2 };
enum { STATUS = 1 << 3 | LEN, PAYLOAD = 2 << 3 | LEN, BYTES = 1 << 3 | LEN };

/* Encodes a length as a varint of FIXED bytes, which is valid protobuf, so that the data after it
 * can be written before the length is known. */
enum { FIXED = 4, BYTES_PREFIX = 2 + 1 + FIXED + 1 + FIXED };

static uint8_t *fixed_varint(uint8_t *to, size_t value)
{
	for (int i = 0; i < FIXED; i++, value >>= 7)
		*to++ = (uint8_t)((value & 0x7f) | (i < FIXED - 1 ? 0x80 : 0));
	return to;
}

static void make_prefix(uint8_t *to, size_t rest)
{
	*to++ = STATUS;
	*to++ = 0;
	*to++ = PAYLOAD;
	to = fixed_varint(to, 1 + FIXED + rest);
	*to++ = BYTES;
	(void)fixed_varint(to, rest);
}

const struct conn_prefix ttrpc_bytes_prefix = { BYTES_PREFIX, make_prefix };

struct bytes {
	const uint8_t *data;
	size_t len;
};

/* Consumes "tag, length, data" from the front. Lengths of more than 28 bits are not supported. */
static bool take_field(struct bytes *from, uint8_t *tag, struct bytes *field)
{
	size_t value = 0, i = 1;
	uint8_t b;

	if (from->len < 2 || from->data[0] & 0x80)
		return false;
	do {
		if (i == from->len || i > FIXED)
			return false;
		b = from->data[i];
		value |= (size_t)(b & 0x7f) << (7 * (i - 1));
		i++;
	} while (b & 0x80);
	if (value > from->len - i)
		return false;
	*tag = from->data[0];
	*field = (struct bytes){ from->data + i, value };
	*from = (struct bytes){ field->data + value, from->len - i - value };
	return true;
}

bool ttrpc_bytes_of(const uint8_t *payload, size_t n, const uint8_t **data, size_t *len)
{
	struct bytes rest = { payload, n }, field = { payload, 0 };
	uint8_t tag;

	if (n && (!take_field(&rest, &tag, &field) || tag != BYTES || rest.len))
		return false;
	*data = field.data;
	*len = field.len;
	return true;
}

bool ttrpc_bytes_find(const uint8_t *body, size_t n, const uint8_t **data, size_t *len)
{
	struct bytes rest = { body, n }, payload = { body, 0 }, field;
	uint8_t tag, last = 0;

	/* The fields are expected in the order of their numbers, in which encoders write them. */
	for (; rest.len; last = tag) {
		if (!take_field(&rest, &tag, &field) || tag <= last ||
		    (tag == STATUS ? field.len > 0 : tag != PAYLOAD))
			return false;
		if (tag == PAYLOAD)
			payload = field;
	}
	return ttrpc_bytes_of(payload.data, payload.len, data, len);
}
