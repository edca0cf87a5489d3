// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Decompresses a file that is one zstd frame, in pieces, and hashes its compressed bytes.
 * libarchive could do it too, but accepts any window and any number of frames.
 *
 *	AUTO(inflate) struct inflate *in = inflate_open(&from, err);
 *	while ((n = inflate_next(in, &data, err)) > 0)
 *		use(data, n);
 *	if (n < 0 || inflate_finish(in, sha256, err) < 0)
 *		return -1;
 *
 * A thread reads and decompresses a few pieces ahead, so that the caller can hash and write the
 * contents at the same time. It ends with inflate_finish or inflate_free.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdint.h>
#include <sys/types.h>

struct inflate_from {
	int fd; /* borrowed; read from its start, whatever its position */
	const char *name;
	uint64_t size; /* of the file; another size is E_INVALID */
	/* Called with the number of bytes read, on the thread about every 1 MiB and at the end. May
	 * be NULL. */
	void (*progress)(void *arg, uint64_t taken);
	void *arg;
};

struct inflate;
/* NULL on error: no memory, or no thread can be created. */
struct inflate *inflate_open(const struct inflate_from *from, struct err *err);
/* Returns the number of bytes at *data, which stay valid until the next call; 0 at the end of the
 * frame. E_INVALID, E_LIMIT (a window above UNPACK_WINDOW_LOG), E_IO. */
MUST_CHECK ssize_t inflate_next(struct inflate *in, const void **data, struct err *err);
/* Call it after the end of the frame: E_INVALID unless the file ends there and has this digest. */
MUST_CHECK int inflate_finish(struct inflate *in, const char *sha256, struct err *err);
void inflate_free(struct inflate *in);
DEFINE_AUTO(inflate, struct inflate *, NULL, inflate_free)
