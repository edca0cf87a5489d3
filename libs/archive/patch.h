// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Patches in the form of `zstd --patch-from`: the new file compressed with the old one as what came
 * before it, so that `zstd -d --patch-from=OLD --long=31` makes the new one out of it, as does
 * unpack_patch (unpack.h). The window covers both files; the frame says how large the result is.
 * One worker, so the same bytes for the same files.
 */

#include "base/err.h"

#include <stdint.h>

/* zstd's largest window is 2^31; it has to hold the old file and what of the new one was done. */
#define PATCH_FILE_MAX (UINT64_C(1) << 30)

/* base, target: regular files of at most PATCH_FILE_MAX bytes (E_LIMIT), out: written to. *size
 * gets the bytes written. level 0: 19. base -1: compressed alone, for comparison. out -1: only
 * counted. */
MUST_CHECK int patch_make(int base, int target, int out, unsigned level, uint64_t *size,
			  struct err *err);
