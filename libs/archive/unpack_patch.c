// SPDX-License-Identifier: Apache-2.0
/*
 * Applies patches with one call of the library on mapped files, so that no window has to be
 * allocated, whatever size the frame requests: only the page cache is used.
 */

#include "archive/map.h"
#include "archive/patch.h"
#include "archive/unpack.h"

#include "base/str.h"
#include "crypto/sha256.h"

#include <zstd.h>

DEFINE_AUTO(dctx, ZSTD_DCtx *, NULL, ZSTD_freeDCtx)

static int apply(const struct map *base, const struct map *patch, struct map *to, const char *name,
		 struct err *err)
{
	AUTO(dctx) ZSTD_DCtx *ctx = ZSTD_createDCtx();
	size_t rc;

	if (!ctx)
		return err_set(err, E_FAILED, "zstd: out of memory");
	rc = base->len ? ZSTD_DCtx_refPrefix(ctx, base->data, base->len) : 0;
	if (!ZSTD_isError(rc))
		rc = ZSTD_decompressDCtx(ctx, to->data, to->len, patch->data, patch->len);
	if (ZSTD_isError(rc))
		return err_set(err, E_INVALID, "the patch for '%s': %s", name,
			       ZSTD_getErrorName(rc));
	if (rc != to->len)
		return err_set(err, E_INVALID, "the patch for '%s' makes %zu bytes instead of %zu",
			       name, rc, to->len);
	return 0;
}

int unpack_patch(int base, int patch, int out, uint64_t size, const char *sha256, const char *name,
		 struct err *err)
{
	AUTO(map) struct map from = { NULL, 0 }, by = { NULL, 0 }, to = { NULL, 0 };
	char hex[65];

	if (size > PATCH_FILE_MAX)
		return err_set(err, E_LIMIT, "'%s' is too large for a patch", name);
	if (map_file(base, PATCH_FILE_MAX, &from, err) < 0 ||
	    map_file(patch, PATCH_FILE_MAX, &by, err) < 0 ||
	    map_new_file(out, size, &to, err) < 0 || apply(&from, &by, &to, name, err) < 0)
		return -1;
	sha256_hex(to.data ? to.data : "", to.len, hex);
	return str_eq(hex, sha256)
		       ? 0
		       : err_set(err, E_INVALID,
				 "the patch for '%s' makes a file with another digest", name);
}
