// SPDX-License-Identifier: Apache-2.0
/* Patches with libzstd. */

#include "archive/patch.h"

#include "base/fd.h"
#include "base/mem.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

enum { LEVEL = 19 };

DEFINE_AUTO(cctx, ZSTD_CCtx *, NULL, ZSTD_freeCCtx)

struct map {
	void *data; /* NULL if it is empty */
	size_t len;
};

static void map_release(struct map *m)
{
	if (m->data)
		(void)munmap(m->data, m->len);
}
DEFINE_AUTO_STRUCT(map, struct map, map_release)

static int map_file(int fd, struct map *m, struct err *err)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at a file to patch");
	if ((uint64_t)st.st_size > PATCH_FILE_MAX)
		return err_set(err, E_LIMIT, "a file of %lld bytes is too large to patch",
			       (long long)st.st_size);
	if (st.st_size == 0)
		return 0;
	m->data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->data == MAP_FAILED) {
		m->data = NULL;
		return err_sys(err, "map a file to patch");
	}
	m->len = (size_t)st.st_size;
	return 0;
}

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
	return map_file(base, &from, err) < 0 || map_file(target, &to, err) < 0 ||
			       set_up(ctx, &from, &to, level, err) < 0 ||
			       compress(ctx, &to, out, size, err) < 0
		       ? -1
		       : 0;
}
