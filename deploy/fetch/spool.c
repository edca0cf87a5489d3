// SPDX-License-Identifier: Apache-2.0
/*
 * A release as a tar archive, from a file or a pipe: a confined child unpacks it into a directory
 * of the cache, which is then a source like any other, and verified like any other.
 */

#include "deploy/fetch/fetch-internal.h"

#include "archive/unpack.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <string.h>

#define SPOOL_MAX (UINT64_C(32) << 30)

static bool is_digest_name(const char *name, const char *folder, const char *suffix)
{
	AUTO(str) char *digest = NULL;

	if (!str_starts(name, folder) ||
	    strlen(name) != strlen(folder) + SHA256_HEX + strlen(suffix))
		return false;
	digest = xstrndup(name + strlen(folder), SHA256_HEX);
	return sha256_is_hex(digest) && str_ends(name, suffix);
}

static bool is_known(const char *name)
{
	static const char *const documents[] = { "release.yaml", "channel.yaml", RELEASE_SBOM,
						 RELEASE_PROVENANCE };

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		if (str_eq(name, documents[i]))
			return true;
	}
	return (!strchr(name, '/') && str_ends(name, ".minisig")) ||
	       is_digest_name(name, "blobs/", ".tar.zst") ||
	       is_digest_name(name, "patches/", ".zst");
}

/* Archives of "." and of the directory by name are equivalent. The first known path determines the
 * directory; paths elsewhere are ignored. */
const char *spool_name(char **prefix, const char *path)
{
	const char *name;

	while (str_starts(path, "./"))
		path += 2;
	if (*prefix)
		return str_starts(path, *prefix) && is_known(path + strlen(*prefix))
			       ? path + strlen(*prefix)
			       : NULL;
	name = path;
	if (!is_known(name)) {
		name = strchr(path, '/');
		if (!name || !is_known(++name))
			return NULL;
	}
	*prefix = xstrndup(path, (size_t)(name - path));
	return name;
}

struct spooling {
	int tar, dir;
	const char *name;
	char *prefix;
};

static const char *admit(void *arg, const char *path)
{
	return spool_name(&((struct spooling *)arg)->prefix, path);
}

static int work(void *arg, struct confine_talk *talk, struct err *err)
{
	struct spooling *p = arg;
	struct unpack_tar t = { .admit = admit, .arg = p, .limit = SPOOL_MAX };

	(void)talk;
	return unpack_tar(p->tar, p->name, p->dir, &t, err);
}

int spool_open(struct source *s, int tar, struct err *err)
{
	struct spooling p = { .tar = tar, .name = s->name };
	struct confine c = { .name = "unpack",
			     .uid = s->uid,
			     .gid = s->gid,
			     .nwrite = 1,
			     .keep = &tar,
			     .nkeep = 1,
			     .memory = 64 << 20,
			     .files = RELEASE_BLOB_MAX };

	if (cache_open(&s->cache, err) < 0)
		return -1;
	s->dir = cache_spool(&s->cache, &s->spool, err);
	if (s->dir < 0 || source_lend(s, s->dir, err) < 0)
		return -1;
	p.dir = s->dir;
	c.write = &s->dir;
	return confine_run(&c, work, &p, NULL, NULL, err) < 0 ? -1 : source_take_back(s->dir, err);
}
