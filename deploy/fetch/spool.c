// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a release that is a tar archive, from a file or a pipe. A confined child unpacks the whole
 * archive into a directory of the cache, which is then verified and read like any other directory:
 * in the archive, files may come before the signatures that cover them.
 */

#include "deploy/fetch/fetch-internal.h"

#include "archive/unpack.h"
#include "base/fd.h"

#define SPOOL_MAX (UINT64_C(32) << 30)

struct spooling {
	int tar, dir;
	const char *name;
	char *prefix;
};

static const char *admit(void *arg, const char *path)
{
	return name_in_archive(&((struct spooling *)arg)->prefix, path);
}

static int work(void *arg, struct confine_talk *talk, struct err *err)
{
	struct spooling *p = arg;
	struct unpack_tar t = { .admit = admit, .arg = p, .limit = SPOOL_MAX };

	(void)talk;
	return unpack_tar(p->tar, p->name, p->dir, &t, err);
}

int spool(struct cache *cache, const struct helpers *h, int tar, const char *name, char **folder,
	  struct err *err)
{
	struct spooling p = { .tar = tar, .name = name };
	struct confine c = { .name = "unpack",
			     .uid = h->uid,
			     .gid = h->gid,
			     .nwrite = 1,
			     .keep = &tar,
			     .nkeep = 1,
			     .memory = 64 << 20,
			     .files = RELEASE_BLOB_MAX };

	if (cache_open(cache, err) < 0)
		return -1;
	AUTO(fd) int dir = cache_spool(cache, folder, err);
	if (dir < 0 || lend(h, dir, err) < 0)
		return -1;
	p.dir = dir;
	c.write = &dir;
	if (confine_run(&c, work, &p, NULL, NULL, err) < 0 || lend_end(dir, err) < 0)
		return -1;
	return STEAL(dir, -1);
}
