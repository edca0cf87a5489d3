// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Makes swap space for a guest: a sparse file with the header that mkswap(8) writes. */

#include "base/err.h"

#include <stdint.h>

/*
 * Makes the file, which must not exist, with room for that many bytes after the header. E_LIMIT:
 * its file system has less space free, and could not hold what the guest swaps out.
 */
MUST_CHECK int swap_make(const char *path, uint64_t bytes, struct err *err);
