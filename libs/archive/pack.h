// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Makes a reproducible archive: the same calls yield the same bytes. Entries are in the order of
 * the calls and have the same modification time, inode numbers count from 1, and nothing depends on
 * the machine (user, clock, device, number of processors).
 *
 * In memory, as cpio "newc", which the kernel unpacks as an initrd; device nodes are entries like
 * any other, so no privilege is needed:
 *
 *	AUTO(buf) struct buf out = BUF_INIT(64 << 20);
 *	AUTO(pack) struct pack *pack = pack_new(PACK_GZIP, 0, &out, err);
 *	if (!pack || pack_add(pack, &entry, err) < 0 || pack_finish(pack, err) < 0)
 *		return -1;
 *	use(out.data, out.len);
 *
 * Into a file, as tar, whose contents need not be in memory (pack_new_tar, pack_add_fd).
 *
 * out and fds are borrowed and must outlive the pack; the output is complete only after
 * pack_finish() succeeded. One thread at a time.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct pack;

/* How the archive is compressed; each at its strongest level. */
enum pack_filter { PACK_PLAIN, PACK_GZIP, PACK_ZSTD };

struct pack_entry {
	const char *path; /* without a leading slash */
	mode_t mode;      /* with the type: S_IFDIR, S_IFREG, S_IFLNK, S_IFCHR, S_IFBLK */
	uid_t uid;
	gid_t gid;
	const void *data; /* of a regular file: len bytes */
	size_t len;
	const char *target; /* of a symbolic link */
	dev_t device;       /* of a device node */
};

/* A cpio archive in out. NULL on error, E_FAILED: the archive library failed. Release with
 * pack_free(). */
struct pack *pack_new(enum pack_filter filter, time_t mtime, struct buf *out, struct err *err);

/* A tar archive written to fd (ustar, with pax headers for values beyond its limits). level: of the
 * compression, 0 for the strongest. */
struct pack *pack_new_tar(enum pack_filter filter, unsigned level, time_t mtime, int fd,
			  struct err *err);

/* E_FAILED; E_LIMIT when out is full. */
MUST_CHECK int pack_add(struct pack *pack, const struct pack_entry *entry, struct err *err);

/* Adds a regular file; its entry->len bytes are read from fd up to its end. name is used in errors.
 * E_STATE: fd has more or fewer bytes. */
MUST_CHECK int pack_add_fd(struct pack *pack, const struct pack_entry *entry, int fd,
			   const char *name, struct err *err);

/* Writes the trailer; nothing can be added after it. E_FAILED, E_LIMIT. */
MUST_CHECK int pack_finish(struct pack *pack, struct err *err);

void pack_free(struct pack *pack);

/* "none", "gzip", "zstd"; E_INVALID for another name. */
MUST_CHECK int pack_filter_parse(const char *name, enum pack_filter *out, struct err *err);

DEFINE_AUTO(pack, struct pack *, NULL, pack_free)
