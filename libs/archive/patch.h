// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Patches in the format of `zstd --patch-from`: the new file compressed with the old one as prefix.
 * `zstd -d --patch-from=OLD --long=31` and unpack_patch (unpack.h) apply them. The window covers
 * both files; the frame's header has the size of the result. One worker compresses, so the output
 * is reproducible.
 */

#include "base/err.h"

#include <stdint.h>

/* zstd's largest window, 2^31 bytes, has to cover the old and the new file. */
#define PATCH_FILE_MAX (UINT64_C(1) << 30)

/* Makes the patch from base to target, regular files of at most PATCH_FILE_MAX bytes (E_LIMIT),
 * writes it to out, and sets *size to its size. level: 0 for 19. With base -1 target is compressed
 * alone, for comparison; with out -1 nothing is written. */
MUST_CHECK int patch_make(int base, int target, int out, unsigned level, uint64_t *size,
			  struct err *err);
