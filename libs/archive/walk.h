// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads a tar archive, compressed with zstd or not at all, and shows what is in it; writes nothing.
 *
 *	struct archive_visitor v = { begin, data, NULL, &state };
 *	if (archive_walk(fd, "blobs/....tar.zst", &v, err) < 0)
 *		return -1;
 *
 * For the packager's side, which looks at its own archives. What goes onto a node is unpacked by
 * unpack.h.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive_item {
	const char *path;
	mode_t type; /* S_IFREG, S_IFLNK ... */
	uint64_t size;
	const char *target; /* of a symbolic link */
};

struct archive_visitor {
	/* 1: data and end are called for it, 0: it is passed over, -1: an error ends the walk. */
	int (*begin)(void *arg, const struct archive_item *item, struct err *err);
	int (*data)(void *arg, const void *bytes, size_t len, struct err *err);
	int (*end)(void *arg, struct err *err);
	void *arg;
};

/* fd: at its start. E_INVALID: it is no such archive, or damaged. */
MUST_CHECK int archive_walk(int fd, const char *name, const struct archive_visitor *v,
			    struct err *err);
