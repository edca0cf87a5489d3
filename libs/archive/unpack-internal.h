// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by both ways of unpacking: writing a file from an archive's entry. */

#include "base/err.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>

struct sha256;

/* Creates the file path below dir and returns its fd. E_INVALID if it exists. */
MUST_CHECK int unpack_create(int dir, const char *path, struct err *err);

/* Reads the contents of the current entry, exactly size bytes without holes, writes them to fd (-1:
 * discards them) and hashes them with sum (may be NULL). name and path are for errors. */
MUST_CHECK int unpack_contents(struct archive *a, const char *name, const char *path, int fd,
			       uint64_t size, struct sha256 *sum, struct err *err);

/* Sets E_INVALID with the library's message, unless err is set already. Returns -1. */
int unpack_fail(struct archive *a, const char *name, struct err *err);
