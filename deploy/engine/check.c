// SPDX-License-Identifier: Apache-2.0
/* Checks before the first change whether a plan can be carried out: permissions, read-only file
 * systems, space and inodes. */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/engine/engine-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Bytes: left free for others; for the line of an action in the journal; for a directory. */
enum { SLACK = 1 << 20, PER_ACTION = 512, PER_DIR = 4096 };

static int hint_space(struct err *err)
{
	return err_hint(err, "free some space; %s removes releases that nothing uses",
			advice("gc"));
}

#define OTHER_PREFIX "make it writable, or choose another --prefix"

static int check_room(int dir, const char *what, uint64_t need, uint64_t inodes, struct err *err)
{
	struct statvfs v;
	uint64_t have;

	if (fstatvfs(dir, &v) < 0)
		return err_sys(err, "read the state of the file system of %s", what);
	if (v.f_flag & ST_RDONLY)
		return err_set(err, E_PERMISSION,
			       "the file system of %s is read-only; " OTHER_PREFIX, what);
	need += SLACK;
	have = (uint64_t)v.f_bavail * v.f_frsize;
	if (have < need) {
		err_set(err, E_LIMIT, "%s has %llu KiB left and %llu KiB are needed", what,
			(unsigned long long)have / 1024, (unsigned long long)need / 1024);
		return hint_space(err);
	}
	/* A file system without a fixed number of inodes reports 0 of 0. */
	if (!v.f_files || v.f_favail >= inodes)
		return 0;
	err_set(err, E_LIMIT, "%s has %llu inodes left and %llu are needed", what,
		(unsigned long long)v.f_favail, (unsigned long long)inodes);
	return hint_space(err);
}

int deploy_room(const struct deploy *d, uint64_t bytes, uint64_t files, struct err *err)
{
	struct statvfs v;

	/* The files of another root may be executed elsewhere. */
	if (!*d->top && fstatvfs(d->root, &v) == 0 && (v.f_flag & ST_NOEXEC)) {
		err_set(err, E_PERMISSION, "%s is mounted noexec, so no VM could be started",
			d->prefix);
		return err_hint(err, "choose another --prefix");
	}
	return check_room(d->root, d->prefix, bytes, files, err);
}

static int check_writable(int dir, const char *what, const char *remedy, struct err *err)
{
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	if (errno != EROFS)
		return err_sys(err, "write to %s", what);
	err_set(err, E_PERMISSION, "the file system of %s is read-only", what);
	return err_hint(err, "%s", remedy);
}

/* Returns the remedy for a configuration that cannot be changed, heap. */
static char *other_config(const struct plan_action *a)
{
	return str_fmt("let the program that reads %s there read another file, and name that with "
		       "--cri-config, or use --cri none",
		       path_basename(a->path));
}

/* A file that is a mount point cannot be replaced by rename. */
static int check_mount(const struct deploy *d, const struct plan_action *a, struct err *err)
{
	AUTO(str) char *remedy = *a->path == '/' ? other_config(a) : xstrdup("unmount it");

	if (!path_is_mount(d->root, a->path))
		return 0;
	err_set(err, E_STATE, "%s is a mount point, which cannot be replaced", a->path);
	return err_hint(err, "mount its directory instead, or %s", remedy);
}

/* Checks the nearest existing directory above a path outside the prefix. */
static int check_foreign(const struct plan *p, const struct plan_action *a, uint64_t bytes,
			 struct err *err)
{
	AUTO(str) char *dir = xstrdup(a->path), *remedy = other_config(a);
	AUTO(fd) int fd = -1;

	do {
		size_t n = (size_t)(path_basename(dir) - dir);

		dir[n > 1 ? n - 1 : n] = '\0';
		fd_close(&fd);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} while (fd < 0 && errno == ENOENT);
	if (fd < 0)
		return err_sys(err, "open %s", dir);
	if (check_writable(fd, dir, remedy, err) < 0)
		return -1;
	return p->frugal ? 0 : check_room(fd, dir, bytes, 2, err);
}

int plan_check(const struct deploy *d, const struct plan *p, struct err *err)
{
	uint64_t need = reserve_size(d), inodes = 64;

	vec_each(struct plan_action, a, &p->actions) {
		uint64_t bytes = a->kind == PLAN_FILE ? a->file.len : 0;

		if (a->kind == PLAN_FILE && check_mount(d, a, err) < 0)
			return -1;
		if (a->path && *a->path == '/' && check_foreign(p, a, bytes, err) < 0)
			return -1;
		need += PER_ACTION + bytes + (a->kind == PLAN_DIR ? PER_DIR : 0);
		inodes += a->kind == PLAN_DIR || a->kind == PLAN_FILE;
	}
	if (check_writable(d->root, d->prefix, OTHER_PREFIX, err) < 0 ||
	    check_writable(d->state, "state", OTHER_PREFIX, err) < 0)
		return -1;
	/* A verb that frees space has its own space in state/reserve/: never refuse it for lack of
	 * space. */
	return p->frugal ? 0 : check_room(d->root, d->prefix, need, inodes, err);
}
