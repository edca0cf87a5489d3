// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Files that the runtime cannot share. They are sent in chunks, in any request's thread, and appear
 * atomically when the last byte was written.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A chunk of a file, or a directory, or a link (data is its target). */
struct copyfile {
	const char *path;     /* below GUEST_DIR */
	mode_t mode;          /* with its kind; a file if it has none */
	mode_t dir_mode;      /* of directories that are made on the way; 0: 0755 */
	int64_t uid, gid;     /* negative: the agent's */
	int64_t offset, size; /* of the chunk, of the whole file */
	const uint8_t *data;
	size_t len;
};

MUST_CHECK int copyfile_write(const struct copyfile *r, struct err *err);

/* Removes what was copied for a container, from the guest's memory: never from a share. */
MUST_CHECK int copyfile_remove(const char *container, struct err *err);
