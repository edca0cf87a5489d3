// SPDX-License-Identifier: Apache-2.0
/* The cache directory: partial downloads, and unpacked archives. */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPOOL_PREFIX "spool-"

/* True if no other user can change it. */
static bool is_private(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & 022);
}

static int open_locked(const char *path, struct err *err)
{
	AUTO(fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st, now;

	if (dir < 0)
		return err_sys(err, "open the cache %s", path);
	if (fstat(dir, &st) < 0)
		return err_sys(err, "look at the cache %s", path);
	if (!is_private(&st)) {
		(void)err_set(err, E_PERMISSION, "others can write to the cache %s", path);
		return err_hint(err, "remove it, or own it with mode 0700");
	}
	if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		(void)err_set(err, E_STATE, "the cache %s is in use by another kata-deploy", path);
		return err_hint(err, "wait for its end, or use --cache DIR");
	}
	/* The previous holder of the lock may just have removed the directory. */
	if (stat(path, &now) < 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev) {
		(void)err_set(err, E_STATE, "the cache %s is being removed by another kata-deploy",
			      path);
		return err_hint(err, "run the same command again");
	}
	return STEAL(dir, -1);
}

/* Calls fn for each name in the directory. */
static void each(struct cache *c,
		 void (*fn)(struct cache *c, const char *name, const struct release *keep),
		 const struct release *keep)
{
	struct err ignored = ERR_INIT; /* leftovers are removed by a later run */
	int copy = fd_dup(c->dir, &ignored);
	AUTO(dir) DIR *list = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (list)
		rewinddir(list);
	else if (copy >= 0)
		(void)close(copy);
	while (list && (e = readdir(list)))
		fn(c, e->d_name, keep);
}

static void drop_spool(struct cache *c, const char *name, const struct release *keep)
{
	struct err ignored = ERR_INIT;

	(void)keep;
	if (str_starts(name, SPOOL_PREFIX))
		(void)!path_remove_below(c->dir, name, &ignored);
}

int cache_open(struct cache *c, struct err *err)
{
	if (c->dir >= 0)
		return 0;
	free(c->above);
	c->above = path_existing(c->path);
	if (path_make(c->path, 0700, err) < 0)
		return err_wrap(err, "make the cache");
	c->dir = open_locked(c->path, err);
	if (c->dir < 0)
		return -1;
	each(c, drop_spool, NULL); /* left by a crash, since this process has the lock */
	return 0;
}

/* Removes the directory and those above it that cache_open() created, as far as they are empty. */
static void remove_empty(struct cache *c)
{
	AUTO(str) char *path = path_clean(c->path);

	for (char *slash = path; slash && rmdir(path) == 0;) {
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
		if (strlen(path) <= strlen(c->above))
			return;
	}
}

void cache_close(struct cache *c)
{
	if (c->dir >= 0)
		remove_empty(c);
	fd_close(&c->dir);
	free(c->path);
	free(c->above);
	c->path = c->above = NULL;
}

int cache_file(struct cache *c, const char *sha256, struct err *err)
{
	AUTO(fd)
	int fd = openat(c->dir, sha256, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s in the cache %s", sha256, c->path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || !is_private(&st))
		return err_set(err, E_PERMISSION, "%s in the cache %s is not ours; remove it",
			       sha256, c->path);
	return STEAL(fd, -1);
}

static bool is_of(const struct release *r, const char *digest)
{
	vec_each(struct release_component, c, &r->components) {
		if (str_eq(c->blob, digest))
			return true;
	}
	vec_each(struct release_patch, p, &r->patches) {
		if (str_eq(p->sha256, digest))
			return true;
	}
	return false;
}

/* Removes DIGEST, and DIGEST.tag and temporary files, which earlier versions wrote. */
static void drop_download(struct cache *c, const char *name, const struct release *keep)
{
	AUTO(str) char *digest = xstrndup(name, SHA256_HEX);

	if (keep && is_of(keep, digest))
		return;
	if (sha256_is_hex(digest) || (name[0] == '.' && strlen(name) > SHA256_HEX))
		(void)unlinkat(c->dir, name, 0);
}

void cache_clean(struct cache *c, const struct release *keep)
{
	each(c, drop_download, keep);
}

int cache_spool(struct cache *c, char **name, struct err *err)
{
	AUTO(str) char *path = path_join(c->path, SPOOL_PREFIX "XXXXXX");

	if (!mkdtemp(path))
		return err_sys(err, "make a directory in the cache %s", c->path);
	str_set(name, path_basename(path));
	return path_open(c->dir, *name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, err);
}
