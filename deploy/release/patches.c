// SPDX-License-Identifier: Apache-2.0
/*
 * Writes patches/: for files that changed since an older release, where the patch is much smaller
 * than the file. For the time of the build it unpacks the older contents from the older release's
 * blobs to patches/base/.
 */

#include "archive/patch.h"
#include "archive/walk.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_PATCH "patches/new"
#define BASES     "patches/base"

enum { WORTH_PERCENT = 60 }; /* of the file compressed alone: a larger patch is not worth it */

/* An older release. */
struct past {
	struct build *b;
	struct release r;
	const char *dir;
	char **wanted; /* paths whose contents are needed, strv */
	int fd;        /* the file being written */
};

static void past_release(struct past *p)
{
	release_release(&p->r);
	strv_free(p->wanted);
	fd_close(&p->fd);
}
DEFINE_AUTO_STRUCT(past, struct past, past_release)

static bool has_contents(const struct release *r, const char *sha256)
{
	vec_each(struct entry, e, &r->layout.entries) {
		if (str_eq(e->sha256, sha256))
			return true;
	}
	return false;
}

static bool has_patch(const struct release *r, const char *base, const char *target)
{
	vec_each(struct release_patch, p, &r->patches) {
		if (str_eq(p->base, base) && str_eq(p->target, target))
			return true;
	}
	return false;
}

/* Returns the older release's entry with e's path, if a patch from it to e is useful and does not
 * exist yet; otherwise NULL. */
static const struct entry *base_of(const struct past *p, const struct entry *e)
{
	const struct entry *old = e->type == ENTRY_FILE ? layout_find(&p->r.layout, e->path) : NULL;

	if (!old || old->type != ENTRY_FILE || str_eq(old->sha256, e->sha256) ||
	    old->size > PATCH_FILE_MAX || e->size > PATCH_FILE_MAX || !old->size || !e->size)
		return NULL;
	return has_contents(&p->r, e->sha256) || has_patch(&p->b->r, old->sha256, e->sha256) ? NULL
											     : old;
}

static int base_begin(void *arg, const struct archive_item *item, struct err *err)
{
	struct past *p = arg;
	const struct entry *e = layout_find(&p->r.layout, item->path);
	AUTO(str) char *name = NULL;

	if (!e || e->type != ENTRY_FILE || !strv_has(p->wanted, item->path))
		return 0;
	name = str_fmt(BASES "/%s", e->sha256);
	p->fd = openat(p->b->out, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return p->fd < 0 ? err_sys(err, "make %s", name) : 1;
}

static int base_data(void *arg, const void *bytes, size_t len, struct err *err)
{
	return fd_write_all(((struct past *)arg)->fd, bytes, len, err);
}

static int base_end(void *arg, struct err *err)
{
	int fd = STEAL(((struct past *)arg)->fd, -1);

	return close(fd) < 0 ? err_sys(err, "write a file to patch") : 0;
}

static int unpack_bases(struct past *p, struct err *err)
{
	struct archive_visitor v = { base_begin, base_data, base_end, p };

	vec_each(struct release_component, c, &p->r.components) {
		AUTO(str) char *path = str_fmt("%s/blobs/%s.tar.zst", p->dir, c->blob);
		AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(err, "open %s", path);
		if (archive_walk(fd, path, &v, err) < 0)
			return -1;
	}
	return 0;
}

/* Writes NEW_PATCH; returns 1 if it is small enough, else 0. */
static int try_patch(struct build *b, const struct entry *old, const struct entry *e,
		     struct err *err)
{
	AUTO(str) char *name = str_fmt(BASES "/%s", old->sha256);
	AUTO(fd) int base = openat(b->out, name, O_RDONLY | O_CLOEXEC);
	AUTO(fd)
	int target = path_open(b->tree, build_source(b, e->path)->from, PATH_NO_LINKS, O_RDONLY, 0,
			       err);
	AUTO(fd) int out = -1;
	uint64_t patched, alone, size;
	char hex[65];

	if (target < 0)
		return -1;
	if (base < 0)
		return err_sys(err, "%s is not in the older release's blobs: open", old->path);
	if (sha256_fd(base, name, hex, &size, err) < 0)
		return -1;
	if (!str_eq(hex, old->sha256))
		return err_set(err, E_INVALID,
			       "%s of the older release is damaged; copy that release again, or "
			       "leave out its --old",
			       old->path);
	out = openat(b->out, NEW_PATCH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys(err, "make " NEW_PATCH);
	if (patch_make(base, target, out, b->o->level, &patched, err) < 0 ||
	    patch_make(-1, target, -1, b->o->level, &alone, err) < 0)
		return err_wrap(err, "%s", e->path);
	return patched * 100 < alone * WORTH_PERCENT;
}

static int add_patch(struct build *b, const struct entry *old, const struct entry *e,
		     struct err *err)
{
	struct release_patch p = { 0 };
	int worth = try_patch(b, old, e, err);

	if (worth <= 0)
		return worth;
	memcpy(p.base, old->sha256, sizeof(p.base));
	memcpy(p.target, e->sha256, sizeof(p.target));
	if (build_name_by_digest(b->out, NEW_PATCH, "patches", ".zst", p.sha256, &p.size, err) < 0)
		return -1;
	vec_push(&b->r.patches, p);
	return 0;
}

static int patches_from(struct build *b, const char *dir, struct err *err)
{
	AUTO(past) struct past p = { .b = b, .r = RELEASE_INIT, .dir = dir, .fd = -1 };

	if (release_load(dir, &p.r, err) < 0)
		return -1;
	if (!str_eq(p.r.architecture, b->r.architecture))
		return err_set(
			err, E_INVALID,
			"the release is for %s; give --old only releases of the same architecture",
			p.r.architecture);
	vec_each(struct entry, e, &b->r.layout.entries) {
		if (base_of(&p, e))
			strv_push(&p.wanted, e->path);
	}
	if (!p.wanted)
		return 0;
	if (unpack_bases(&p, err) < 0)
		return -1;
	strv_each(path, p.wanted) {
		const struct entry *e = layout_find(&b->r.layout, *path), *old = base_of(&p, e);

		/* The patch may exist by now: another path may have the same contents. */
		if (old && add_patch(b, old, e, err) < 0)
			return -1;
	}
	return 0;
}

int build_patches(struct build *b, struct err *err)
{
	if (!strv_len(b->o->old))
		return 0;
	if (mkdirat(b->out, "patches", 0755) < 0 || mkdirat(b->out, BASES, 0700) < 0)
		return err_sys(err, "make patches/");
	strv_each(dir, b->o->old) {
		if (patches_from(b, *dir, err) < 0)
			return err_wrap(err, "patches from %s", *dir);
	}
	if (unlinkat(b->out, NEW_PATCH, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove " NEW_PATCH);
	if (path_remove_below(b->out, BASES, err) < 0)
		return -1;
	if (!b->r.patches.n && unlinkat(b->out, "patches", AT_REMOVEDIR) < 0)
		return err_sys(err, "remove patches/");
	return 0;
}
