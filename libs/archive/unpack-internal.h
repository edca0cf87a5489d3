// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What both ways of unpacking share: a file that is written from an archive's entry. */

#include "base/err.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>

struct sha256;

/* Creates path beneath dir, which must not be there. Returns an fd. E_INVALID: it is there. */
MUST_CHECK int unpack_create(int dir, const char *path, struct err *err);

/* The contents of the current entry, exactly size bytes without holes: to fd, or nowhere (-1), and
 * through sum (may be NULL). name and path are for errors. */
MUST_CHECK int unpack_contents(struct archive *a, const char *name, const char *path, int fd,
			       uint64_t size, struct sha256 *sum, struct err *err);

/* E_INVALID from what the library says, unless err is set already. */
int unpack_fail(struct archive *a, const char *name, struct err *err);
