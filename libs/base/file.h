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

/* Appends the whole file to out, at most max bytes (more is E_LIMIT). Works for /proc and /sys.
 * Sets the limit of out to what it holds plus max. name: for messages. */
MUST_CHECK int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct err *err);
MUST_CHECK int file_read_fd(int fd, const char *name, size_t max, struct buf *out, struct err *err);

/* The first line without its newline, heap; for kernel files with one value. NULL on error. */
char *file_read_line(int dirfd, const char *path, struct err *err);

/* Sets the umask to 022, whatever the program inherited; the first call of every main(). Code that
 * needs an exact mode sets it with chmod. */
void file_set_umask(void);

/* Opens an existing file and writes text with one write(2), as /proc and /sys require. */
MUST_CHECK int file_write(int dirfd, const char *path, const char *text, struct err *err);

/*
 * Replaces path with len bytes: written under a random name beside it, synced, renamed, directory
 * synced. Readers see the old or the new contents, also after a power cut. When it fails nothing is
 * left behind and the old file is as it was.
 */
MUST_CHECK int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
			    struct err *err);

/* An existing file whose extended attributes (labels, access lists) and optionally times are copied
 * to the new one, except for labels that this process may not set. */
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
 * Replaces a file that can be regenerated, in a directory that nobody cleans up. A process killed
 * during the call leaves the old file, no file, or the new file, and never a temporary file (a
 * crash may leave one on a file system without O_TMPFILE, where this is file_replace_volatile()).
 */
MUST_CHECK int file_note(const char *path, const void *data, size_t len, mode_t mode,
			 struct err *err);

/*
 * Cuts a log of more than max bytes to its last keep bytes, in place, for a program that has it open
 * with O_APPEND; a line that comes during the call may be lost. What is left begins with a line, if
 * one begins in it. Returns 1 if it has cut it; 0 if it is shorter, or does not exist.
 */
MUST_CHECK int file_keep_end(const char *path, size_t max, size_t keep, struct err *err);
