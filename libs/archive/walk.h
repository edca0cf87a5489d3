// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads a tar archive, compressed with zstd or not, and passes its entries to a visitor.
 *
 *	struct archive_visitor v = { begin, data, NULL, &state };
 *	if (archive_walk(fd, "blobs/....tar.zst", &v, err) < 0)
 *		return -1;
 *
 * For the packager, which reads its own archives. On a node, archives are unpacked with unpack.h.
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
	/* Returns 1 to get the contents with data and end, 0 to skip the entry, -1 with err set to
	 * end the walk. */
	int (*begin)(void *arg, const struct archive_item *item, struct err *err);
	int (*data)(void *arg, const void *bytes, size_t len, struct err *err);
	int (*end)(void *arg, struct err *err);
	void *arg;
};

/* fd is positioned at the start of the archive. E_INVALID: not such an archive, or damaged. */
MUST_CHECK int archive_walk(int fd, const char *name, const struct archive_visitor *v,
			    struct err *err);
