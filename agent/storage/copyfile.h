// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Files that the runtime sends instead of sharing them (CopyFile). A file arrives in chunks and
 * appears atomically when its last byte is written. Any thread.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A chunk of a file, a directory, or a symbolic link, whose target is data. */
struct copyfile {
	const char *path;     /* below GUEST_DIR */
	mode_t mode;          /* with the type (S_IFMT); a regular file if that is 0 */
	mode_t dir_mode;      /* of parent directories that are missing; 0: 0755 */
	uid_t uid;            /* -1: the agent's */
	gid_t gid;            /* likewise */
	int64_t offset, size; /* where the chunk begins; size of the whole file */
	const uint8_t *data;
	size_t len;
};

/* Writes the chunk, or makes the directory or link; parent directories are made. A link "..data" that
 * leads to other contents of a kubelet's volume than before removes the former ones. E_INVALID: the
 * path is not below GUEST_DIR, leads out of it by ".." or a link, or mode, range or target are not
 * valid. */
MUST_CHECK int copyfile_write(const struct copyfile *r, struct err *err);

/* Removes a container's copies from the guest's memory; on any other file system, which may be a
 * share, it removes nothing. */
MUST_CHECK int copyfile_remove(const char *container, struct err *err);
