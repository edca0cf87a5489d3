// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Unpacks one blob (a tar archive, compressed with zstd) beneath a directory, and nothing else than
 * what is expected of it.
 *
 *	struct unpack_expect e = { .find = find, .arg = layout, .entries = n, .sha256 = ... };
 *	if (unpack_blob(blob, "runtime", dir, &e, err) < 0)
 *		return -1;
 *
 * Every entry must be expected by path, type, size (files) or target (links), come once, and hash
 * to its digest while it is written; whatever else is in the archive ends it with E_INVALID naming
 * the entry. Owners, times, extended attributes and modes of the archive are ignored, but a mode
 * with setuid, setgid or sticky bits is refused: files become 0600 here and get their modes when
 * they are adopted. Everything is opened beneath dir without following links. The blob's own digest
 * is computed over its compressed bytes as they stream through. Memory is bounded by the zstd
 * window (UNPACK_WINDOW_LOG) and fixed buffers; what is decompressed without belonging to an
 * expected file is bounded too (E_LIMIT). Runs in a confined child.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNPACK_WINDOW_LOG = 23 };

struct unpack_file {
	const char *target; /* of a link, which is looked at and not made; NULL: a file */
	const char *sha256; /* of a file; NULL: the caller hashes it afterwards */
	uint64_t size;      /* of a file */
	bool want;          /* false: read over it, write nothing */
	bool *seen;         /* false at first; set when it comes */
};

struct unpack_expect {
	/* The file expected at that path, or false. */
	bool (*find)(void *arg, const char *path, struct unpack_file *out);
	/* Called after each 1 MiB or so of the blob and at its end, on another thread (inflate.h).
	 * May be NULL. */
	void (*progress)(void *arg, uint64_t blob_bytes);
	void *arg;
	size_t entries;     /* so many must come */
	const char *sha256; /* of the blob */
	uint64_t size;      /* of the blob, exactly */
};

/* blob: a file, read from its start. E_INVALID, E_LIMIT, E_IO (ENOSPC ...). What was written stays.
 */
MUST_CHECK int unpack_blob(int blob, const char *name, int dir, const struct unpack_expect *e,
			   struct err *err);

/* Makes a file out of another one and a patch (zstd --patch-from): base and patch are files, the
 * result is written to out (an empty file, open for reading too), must be size bytes and hash to
 * sha256. All three are mapped: nothing is allocated for a window. E_INVALID. */
MUST_CHECK int unpack_patch(int base, int patch, int out, uint64_t size, const char *sha256,
			    const char *name, struct err *err);

/*
 * Spreads a plain tar archive, of which nothing is known yet, beneath a directory: for a release
 * that comes as one file or through a pipe. admit says under which name a file is kept (path or a
 * part of it), or NULL for one that is passed over. Directories are passed over, anything else but
 * files is E_INVALID, as is a name that comes twice; more than limit bytes of contents is E_LIMIT.
 */
struct unpack_tar {
	const char *(*admit)(void *arg, const char *path);
	void (*progress)(void *arg, uint64_t bytes); /* may be NULL */
	void *arg;
	uint64_t limit;
};
MUST_CHECK int unpack_tar(int tar, const char *name, int dir, const struct unpack_tar *t,
			  struct err *err);
