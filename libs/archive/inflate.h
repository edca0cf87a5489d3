// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A file that is one zstd frame: its contents in pieces, and the digest of its compressed bytes.
 * Not by libarchive, which would accept any window and any number of frames.
 *
 *	AUTO(inflate) struct inflate *in = inflate_open(&from, err);
 *	while ((n = inflate_next(in, &data, err)) > 0)
 *		use(data, n);
 *	if (n < 0 || inflate_finish(in, sha256, err) < 0)
 *		return -1;
 *
 * Reading and decompressing happen in a thread of its own, a few pieces ahead, so that who hashes
 * and writes the contents does not wait for it. It is gone after inflate_finish and inflate_free.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdint.h>
#include <sys/types.h>

struct inflate_from {
	int fd; /* borrowed; read from its start, its position does not count */
	const char *name;
	uint64_t size; /* exactly */
	/* Called on that thread after each 1 MiB or so, and at the end. May be NULL. */
	void (*progress)(void *arg, uint64_t taken);
	void *arg;
};

struct inflate;
/* E_FAILED. */
struct inflate *inflate_open(const struct inflate_from *from, struct err *err);
/* Bytes that stay until the next call; 0 at the end of the frame. E_INVALID, E_LIMIT (a window
 * above UNPACK_WINDOW_LOG), E_IO. */
MUST_CHECK ssize_t inflate_next(struct inflate *in, const void **data, struct err *err);
/* After the end: nothing may follow it, and the digest must be that one. E_INVALID. */
MUST_CHECK int inflate_finish(struct inflate *in, const char *sha256, struct err *err);
void inflate_free(struct inflate *in);
DEFINE_AUTO(inflate, struct inflate *, NULL, inflate_free)
