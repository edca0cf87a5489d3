// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Tar archives and zstd frames written by hand, with whatever an attacker would put into them.
 */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* One entry: type is ustar's letter ('0' file, '1' hard link, '2' symlink, '3' device, '5'
 * directory); size is what the header says, data what comes (NULL: size zeros). */
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

/* As a frame of raw blocks. */
void zstd_wrap(const struct buf *plain, struct buf *out);
/* A frame of n equal bytes that needs three bytes for each 128 KiB; in front of them some raw ones.
 */
void zstd_repeat(const struct buf *before, char byte, uint64_t n, unsigned window_log,
		 struct buf *out);
