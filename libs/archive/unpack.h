// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Unpacks one untrusted blob (a tar archive, compressed with zstd) below a directory; only expected
 * entries are accepted.
 *
 *	struct unpack_expect e = { .find = find, .arg = layout, .entries = n, .sha256 = ... };
 *	if (unpack_blob(blob, "runtime", dir, &e, err) < 0)
 *		return -1;
 *
 * Every entry must match an expected path, type, size (files) or target (links) and digest, and
 * occur once; anything else is E_INVALID, and the message names the entry. Owners, times, extended
 * attributes and modes of the archive are ignored, but a mode with setuid, setgid or sticky bits is
 * rejected: files have mode 0600 here and get their modes when they are adopted. Everything is
 * opened below dir without following links. The blob's digest is computed over its compressed
 * bytes. Memory is limited by the zstd window (UNPACK_WINDOW_LOG) and fixed buffers; decompressed
 * data outside of expected files is limited too (E_LIMIT). Runs in a confined child.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNPACK_WINDOW_LOG = 23 };

struct unpack_file {
	const char *target; /* of a link, which is checked but not created; NULL for a file */
	const char
		*sha256; /* of a file; NULL: not checked here, the caller hashes the file later */
	uint64_t size;   /* of a file */
	bool want;       /* false: check it, but write nothing */
	bool *seen;      /* initially false; set when the entry is found */
};

struct unpack_expect {
	/* Fills *out with the entry that is expected at path; false if none is. */
	bool (*find)(void *arg, const char *path, struct unpack_file *out);
	/* Called about every 1 MiB of the blob and at its end, on another thread (inflate.h). May
	 * be NULL. */
	void (*progress)(void *arg, uint64_t blob_bytes);
	void *arg;
	size_t entries;     /* number of entries expected */
	const char *sha256; /* of the blob */
	uint64_t size;      /* of the blob, exactly */
};

/* blob: a file, read from its start. E_INVALID, E_LIMIT, E_IO (ENOSPC ...). After an error the
 * files written so far stay. */
MUST_CHECK int unpack_blob(int blob, const char *name, int dir, const struct unpack_expect *e,
			   struct err *err);

/* Applies a patch (zstd --patch-from): base and patch are files; the result is written to out, an
 * empty file open for reading and writing, and must have size bytes and that digest (else
 * E_INVALID). All three are mapped, so no memory is allocated for a window. E_LIMIT: too large for
 * a patch. */
MUST_CHECK int unpack_patch(int base, int patch, int out, uint64_t size, const char *sha256,
			    const char *name, struct err *err);

/*
 * Unpacks a tar archive with unknown contents, plain or compressed with gzip or zstd, below a
 * directory: a release as one file or through a pipe. Directories, and files whose names our locale
 * cannot express, are skipped; other types than files, and duplicate names, are E_INVALID. More than
 * limit bytes of contents, or much more of anything else, is E_LIMIT.
 */
struct unpack_tar {
	/* Returns the name under which the file path is written (path, or a part of it); NULL to
	 * skip the file. */
	const char *(*admit)(void *arg, const char *path);
	void (*progress)(void *arg, uint64_t bytes); /* may be NULL */
	void *arg;
	uint64_t limit;
};
MUST_CHECK int unpack_tar(int tar, const char *name, int dir, const struct unpack_tar *t,
			  struct err *err);
