// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Patches in the form of `zstd --patch-from`: the new file compressed with the old one as prefix.
 * `zstd -d --patch-from=OLD --long=31` and unpack_patch (unpack.h) apply them. The window covers
 * both files; the frame has the size of the result. One worker, so the output is reproducible.
 */

#include "base/err.h"

#include <stdint.h>

/* zstd's largest window is 2^31; it has to cover the old file and the part of the new one so
 * far. */
#define PATCH_FILE_MAX (UINT64_C(1) << 30)

/* Makes the patch from base to target, regular files of at most PATCH_FILE_MAX bytes (E_LIMIT), and
 * writes it to out. *size: bytes written. level 0: 19. base -1: compresses target alone, for
 * comparison. out -1: only counts. */
MUST_CHECK int patch_make(int base, int target, int out, unsigned level, uint64_t *size,
			  struct err *err);
