// SPDX-License-Identifier: Apache-2.0
/* Patches with libzstd. */

#include "archive/patch.h"

#include "archive/map.h"

#include "base/fd.h"
#include "base/mem.h"

#include <zstd.h>

enum { LEVEL = 19 };

DEFINE_AUTO(cctx, ZSTD_CCtx *, NULL, ZSTD_freeCCtx)

static int window_log(size_t base, size_t target)
{
	int log = 10;

	while (((uint64_t)1 << log) < (uint64_t)base + target)
		log++;
	return log;
}

static int set_up(ZSTD_CCtx *ctx, const struct map *base, const struct map *target, unsigned level,
		  struct err *err)
{
	size_t rc = ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel,
					   level ? (int)level : LEVEL);

	if (!ZSTD_isError(rc))
		rc = ZSTD_CCtx_setPledgedSrcSize(ctx, target->len);
	if (!ZSTD_isError(rc) && base->data)
		rc = ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog,
					    window_log(base->len, target->len));
	if (!ZSTD_isError(rc) && base->data)
		rc = ZSTD_CCtx_setParameter(ctx, ZSTD_c_enableLongDistanceMatching, 1);
	if (!ZSTD_isError(rc) && base->data)
		rc = ZSTD_CCtx_refPrefix(ctx, base->data, base->len);
	return ZSTD_isError(rc) ? err_set(err, E_FAILED, "zstd: %s", ZSTD_getErrorName(rc)) : 0;
}

static int compress(ZSTD_CCtx *ctx, const struct map *target, int out, uint64_t *size,
		    struct err *err)
{
	AUTO(mem) char *chunk = xmalloc(ZSTD_CStreamOutSize());
	ZSTD_inBuffer in = { target->data, target->len, 0 };
	size_t left;

	*size = 0;
	do {
		ZSTD_outBuffer to = { chunk, ZSTD_CStreamOutSize(), 0 };

		left = ZSTD_compressStream2(ctx, &to, &in, ZSTD_e_end);
		if (ZSTD_isError(left))
			return err_set(err, E_FAILED, "zstd: %s", ZSTD_getErrorName(left));
		if (out >= 0 && fd_write_all(out, chunk, to.pos, err) < 0)
			return -1;
		*size += to.pos;
	} while (left);
	return 0;
}

int patch_make(int base, int target, int out, unsigned level, uint64_t *size, struct err *err)
{
	AUTO(cctx) ZSTD_CCtx *ctx = ZSTD_createCCtx();
	AUTO(map) struct map from = { NULL, 0 }, to = { NULL, 0 };

	if (!ctx)
		return err_set(err, E_FAILED, "zstd: out of memory");
	return (base >= 0 && map_file(base, PATCH_FILE_MAX, &from, err) < 0) ||
			       map_file(target, PATCH_FILE_MAX, &to, err) < 0 ||
			       set_up(ctx, &from, &to, level, err) < 0 ||
			       compress(ctx, &to, out, size, err) < 0
		       ? -1
		       : 0;
}
