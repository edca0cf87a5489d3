// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Unpacks one blob (a tar archive, compressed with zstd) beneath a directory, and nothing else than
 * what is expected of it.
 *
 *	struct unpack_expect e = { .find = find, .arg = layout, .bytes = limit };
 *	if (unpack_blob(blob, "runtime", dir, &e, err) < 0)
 *		return -1;
 *
 * Every entry must be expected by path, type, size (files) or target (links), come once, and hash
 *to its digest while it is written; whatever else is in the archive ends it with E_INVALID naming
 *the entry. Owners, times, extended attributes and modes of the archive are ignored: files become
 *0600 here and get their modes when they are adopted. Everything is opened beneath dir without
 *following links. The blob's own digest is computed over its compressed bytes as they stream
 *through. Memory is bounded by the zstd window (UNPACK_WINDOW) and fixed buffers. Runs in a
 *confined child.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { UNPACK_WINDOW_LOG = 23 };

struct unpack_file {
	const char *sha256; /* NULL: a link, which needs no unpacking: it is passed over */
	uint64_t size;
	bool want; /* false: read over it, write nothing */
};

struct unpack_expect {
	/* The file expected at that path, or false. */
	bool (*find)(void *arg, const char *path, struct unpack_file *out);
	/* Called after each 1 MiB or so of the blob and at its end. May be NULL. */
	void (*progress)(void *arg, uint64_t blob_bytes);
	void *arg;
	const char *sha256; /* of the blob */
	uint64_t size;      /* of the blob, exactly */
};

/* blob: an fd at its start. E_INVALID, E_LIMIT, E_IO (ENOSPC ...). What was written stays. */
MUST_CHECK int unpack_blob(int blob, const char *name, int dir, const struct unpack_expect *e,
			   struct err *err);

/* Makes a file out of another one and a patch (zstd --patch-from): base and patch are fds, the
 * result is written to out, must be size bytes and hash to sha256. E_INVALID. */
MUST_CHECK int unpack_patch(int base, int patch, int out, uint64_t size, const char *sha256,
			    const char *name, struct err *err);
