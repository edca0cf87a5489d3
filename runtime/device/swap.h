// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Swap space for a guest: a sparse file that Linux accepts as swap, without mkswap(8). */

#include "base/err.h"

#include <stdint.h>

/*
 * Makes the file, which must not exist, with room for that many bytes besides its header. E_LIMIT: its file system
 * has less free, and so could not hold what the guest swaps out.
 */
MUST_CHECK int swap_make(const char *path, uint64_t bytes, struct err *err);
