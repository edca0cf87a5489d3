// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Whole files: bounded reading, one write to a kernel file, durable atomic replacement.
 * dirfd may be AT_FDCWD.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The whole file, at most max bytes (more is E_LIMIT). Works for /proc and /sys. Appends to out,
 * whose limit is set to max. */
MUST_CHECK int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct err *err);
MUST_CHECK int file_read_fd(int fd, const char *name, size_t max, struct buf *out, struct err *err);

/* The first line without its newline, heap; for kernel files of one value. NULL on error. */
char *file_read_line(int dirfd, const char *path, struct err *err);

/*
 * The first call of every program: what it makes has the modes that its calls say, less what only an owner may
 * (022), whatever the umask of its caller. A mode that must be exact is set with chmod, by those who
 * make such files.
 */
void file_set_umask(void);

/* One open and one write(2) of an existing file: /proc and /sys. */
MUST_CHECK int file_write(int dirfd, const char *path, const char *text, struct err *err);

/*
 * Replaces path with len bytes: written under a random name beside it, synced, renamed, directory
 * synced. Readers see the old or the new contents, also after a power cut. When it fails nothing is
 * left behind and the old file is as it was.
 */
MUST_CHECK int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
			    struct err *err);

/* An existing file whose extended attributes (labels, access lists) and optionally times are copied
 * to the new one. */
struct file_like {
	int fd;
	bool times;
};

/* As file_replace, but the caller names the temporary file, so that it can be found after a crash
 * (an old one is removed), and may set the owner (-1: unchanged) and copy attributes (like; NULL:
 * none). */
struct file_new {
	const char *tmp; /* beside path */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	const struct file_like *like;
};
MUST_CHECK int file_replace_via(int dirfd, const char *path, const void *data, size_t len,
				const struct file_new *how, struct err *err);

/* As file_replace without syncing, for files below /run, which a reboot removes. */
MUST_CHECK int file_replace_volatile(int dirfd, const char *path, const void *data, size_t len,
				     mode_t mode, struct err *err);

/*
 * Likewise, for a note of something that can be found out again, at a place that nobody tidies: whoever is
 * killed meanwhile leaves the old file, none, or the new one, and never a temporary. (Where the file
 * system has no files without a name it is file_replace_volatile().)
 */
MUST_CHECK int file_note(const char *path, const void *data, size_t len, mode_t mode,
			 struct err *err);
