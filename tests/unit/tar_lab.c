// SPDX-License-Identifier: Apache-2.0
/* Writes archives byte by byte. */

#include "tests/unit/tar_lab.h"

#include "base/str.h"

#include <string.h>

enum { BLOCK = 512, ZSTD_BLOCK = 128 << 10, RAW = 0, REPEAT = 1 };

void tar_add(struct buf *tar, const struct tar_entry *e)
{
	static const char zeros[BLOCK];
	char h[BLOCK] = { 0 };
	unsigned sum = 0;

	(void)str_print(h, 100, "%s", e->path);
	(void)str_print(h + 100, 8, "%07o", e->mode);
	(void)str_print(h + 108, 8, "%07o", 0);
	(void)str_print(h + 116, 8, "%07o", 0);
	(void)str_print(h + 124, 12, "%011llo", (unsigned long long)e->size);
	(void)str_print(h + 136, 12, "%011o", 0);
	memset(h + 148, ' ', 8);
	h[156] = e->type;
	(void)str_print(h + 157, 100, "%s", e->target ? e->target : "");
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	(void)str_print(h + 329, 8, "%07o", 1);
	(void)str_print(h + 337, 8, "%07o", 3);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	(void)str_print(h + 148, 8, "%06o", sum);
	buf_add(tar, h, BLOCK);
	if (e->data) {
		buf_add(tar, e->data, strlen(e->data));
		buf_add(tar, zeros, (BLOCK - strlen(e->data) % BLOCK) % BLOCK);
	}
}

void tar_end(struct buf *tar)
{
	static const char zeros[2 * BLOCK];

	buf_add(tar, zeros, sizeof(zeros));
}

static void block(struct buf *out, unsigned type, size_t size, const void *data, size_t len,
		  bool last)
{
	uint32_t h = (uint32_t)last | (uint32_t)type << 1 | (uint32_t)size << 3;
	const unsigned char head[3] = { (unsigned char)h, (unsigned char)(h >> 8),
					(unsigned char)(h >> 16) };

	buf_add(out, head, sizeof(head));
	buf_add(out, data, len);
}

static void frame(struct buf *out, unsigned window_log)
{
	const unsigned char head[] = { 0x28, 0xb5, 0x2f,
				       0xfd, 0,    (unsigned char)((window_log - 10) << 3) };

	buf_add(out, head, sizeof(head));
}

static void raw(struct buf *out, const struct buf *plain, bool last)
{
	for (size_t at = 0; at < plain->len; at += ZSTD_BLOCK) {
		size_t n = plain->len - at < ZSTD_BLOCK ? plain->len - at : ZSTD_BLOCK;

		block(out, RAW, n, plain->data + at, n, last && at + n == plain->len);
	}
}

void zstd_wrap(const struct buf *plain, struct buf *out)
{
	frame(out, 20);
	raw(out, plain, true);
}

void zstd_repeat(const struct buf *before, char byte, uint64_t n, unsigned window_log,
		 struct buf *out)
{
	frame(out, window_log);
	if (before)
		raw(out, before, false);
	for (; n > ZSTD_BLOCK; n -= ZSTD_BLOCK)
		block(out, REPEAT, ZSTD_BLOCK, &byte, 1, false);
	block(out, REPEAT, (size_t)n, &byte, 1, true);
}
