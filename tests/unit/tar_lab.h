// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Writes tar archives and zstd frames byte by byte, so that tests can make invalid and malicious
 * ones.
 */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* One entry. type is ustar's ('0' file, '1' hard link, '2' symlink, '3' device, '5' directory).
 * size is written to the header; data is what follows the header (NULL: size zeros). */
struct tar_entry {
	const char *path;
	char type;
	unsigned mode;
	uint64_t size;
	const char *target;
	const char *data;
};

void tar_add(struct buf *tar, const struct tar_entry *e);
void tar_end(struct buf *tar);

/* Packs the bytes into a zstd frame of raw blocks. */
void zstd_wrap(const struct buf *plain, struct buf *out);
/* A zstd frame of the bytes in before, followed by n equal bytes, which take only four bytes for
 * each 128 KiB. */
void zstd_repeat(const struct buf *before, char byte, uint64_t n, unsigned window_log,
		 struct buf *out);
