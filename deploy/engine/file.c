// SPDX-License-Identifier: Apache-2.0
/*
 * Applies and undoes the actions on single files, symlinks and directories, below the prefix or
 * elsewhere by absolute path. Each first checks the current state. A state that is neither the old
 * nor the new one is the work of another program, and is never overwritten.
 */

#include "base/file.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/engine/engine-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 };
#define TEMPORARY ".kata-deploy" /* how the names of temporary files end */

void file_at_release(struct file_at *s)
{
	fd_close(&s->dir);
}

int file_at_open(const struct deploy *d, const char *path, struct file_at *s, struct err *err)
{
	const char *name = path_basename(path);
	AUTO(str) char *parent = xstrndup(path, (size_t)(name - path));
	struct err why = ERR_INIT;

	if (*path != '/' && d->root < 0)
		return 0;
	if (*path == '/')
		s->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		s->dir = path_open(d->root, parent, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, &why);
	s->name = name;
	if (s->dir >= 0)
		return 1;
	if (why.code)
		errno = why.sys;
	return errno == ENOENT ? 0 : err_sys(err, "open the directory of %s", path);
}

int file_inspect(const struct deploy *d, const char *path, struct file_info *f, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	int found = file_at_open(d, path, &s, err);
	struct stat st;

	if (found <= 0)
		return found;
	AUTO(fd) int fd = openat(s.dir, s.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno != ELOOP)
		return err_sys(err, "open %s", path);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err_set(err, E_EXISTS, "%s exists and is not a regular file", path);
		return err_hint(err, "move it away");
	}
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	return sha256_fd(fd, path, f->sha256, &f->size, err) < 0 ? -1 : 1;
}

static int remove_file(const struct file_at *s, const char *path, struct err *err)
{
	if (unlinkat(s->dir, s->name, 0) < 0 && errno != ENOENT)
		return path_sys(err, s->dir, s->name, "remove %s", path);
	return fsync(s->dir) < 0 ? err_sys(err, "sync the directory of %s", path) : 0;
}

/* --- symlinks --- */

static int hint_link(struct err *err)
{
	return err_hint(err, "let it lead to a file, which may be empty, or remove it");
}

/* Returns path as this process sees it: absolute, heap. */
static char *whole_path(const struct deploy *d, const char *path)
{
	return *path == '/' ? xstrdup(path) : path_join(d->prefix, path);
}

/* Resolves the symlinks of an absolute path below the node's root; returns heap memory. */
static char *resolve(const struct deploy *d, const char *whole, struct err *err)
{
	const char *top = *d->top ? d->top : "/";
	struct err why = ERR_INIT;
	char *real = path_from_root(top, whole + strlen(d->top), &why);

	if (real)
		return real;
	if (why.code != E_STATE && why.sys != ELOOP) {
		*err = why;
		return NULL;
	}
	err_set(err, E_STATE, "%s is a symlink that leads %s", whole,
		why.sys == ELOOP ? "in a circle" : "to nothing");
	hint_link(err);
	return NULL;
}

char *file_real(const struct deploy *d, const char *path, struct err *err)
{
	AUTO(str) char *whole = whole_path(d, path), *real = NULL, *prefix = NULL;
	struct err ignored = ERR_INIT; /* the prefix is part of whole, which was resolved */

	/* A prefix that does not exist has no symlinks either. */
	if (*path != '/' && d->root < 0)
		return xstrdup(path);
	real = resolve(d, whole, err);
	if (!real || str_eq(real, whole))
		return real ? xstrdup(path) : NULL;
	/* The path of the prefix itself may have symlinks. */
	prefix = resolve(d, d->prefix, &ignored);
	if (*path != '/' && prefix && path_is_below(real, prefix))
		return xstrdup(real + strlen(prefix) + 1);
	return STEAL(real, NULL);
}

/* Returns 1 and the target (heap) of a symlink, 0 for a missing file or another kind of file. */
static int read_link(const struct file_at *s, const char *path, char **target, struct err *err)
{
	char text[4096];
	ssize_t n = readlinkat(s->dir, s->name, text, sizeof(text) - 1);

	if (n < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : err_sys(err, "look at %s", path);
	*target = xstrndup(text, (size_t)n);
	return 1;
}

int file_is_link(const struct deploy *d, const char *path, char **target, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	int found = file_at_open(d, path, &s, err);

	*target = NULL;
	return found <= 0 ? found : read_link(&s, path, target, err);
}

int unlink_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	AUTO(str) char *target = NULL;
	int found = file_at_open(d, a->path, &s, err);

	if (found <= 0)
		return found;
	if (read_link(&s, a->path, &target, err) < 0)
		return -1;
	if (!str_eq(target, a->was))
		return err_set(err, E_STATE, "%s was changed by another program; try again",
			       a->path);
	return remove_file(&s, a->path, err);
}

int unlink_undo(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	int found = file_at_open(d, a->path, &s, err);

	if (found <= 0)
		return found;
	if (symlinkat(a->was, s.dir, s.name) < 0 && errno != EEXIST)
		return path_sys(err, s.dir, s.name, "link %s", a->path);
	return fsync(s.dir) < 0 ? err_sys(err, "sync the directory of %s", a->path) : 0;
}

/* --- files --- */

/* The name of the temporary file is derived from the file's name, so that undo finds it. Where that
 * would be too long, its digest takes its place. */
static char *temporary_name(const char *name)
{
	char hex[65];

	if (strlen("." TEMPORARY) + strlen(name) <= NAME_MAX)
		return str_fmt(".%s" TEMPORARY, name);
	sha256_hex(name, strlen(name), hex);
	return str_fmt(".%s" TEMPORARY, hex);
}

static int write_file(const struct file_at *s, const struct buf *bytes, const struct file_new *as,
		      struct err *err)
{
	AUTO(str) char *tmp = temporary_name(s->name);
	struct file_new how = *as;

	how.tmp = tmp;
	return file_replace_via(s->dir, s->name, buf_cstr(bytes), bytes->len, &how, err);
}

/* Before the journal is written: copies the old contents to state/kept/. */
int file_keep(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(buf) struct buf bytes = BUF_INIT(FILE_MAX);
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	char hex[65];

	if (!a->was)
		return 0;
	if (file_at_open(d, a->path, &s, err) <= 0)
		return err->code ? -1 : err_set(err, E_STATE, "%s is gone; try again", a->path);
	AUTO(fd) int fd = openat(s.dir, s.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", a->path);
	if (file_read_fd(fd, a->path, FILE_MAX, &bytes, err) < 0)
		return -1;
	sha256_hex(buf_cstr(&bytes), bytes.len, hex);
	if (!str_eq(hex, a->was))
		return err_set(err, E_STATE, "%s is being changed by another program; try again",
			       a->path);
	AUTO(fd) int kept = path_mkdirs(d->state, "kept", PATH_NO_LINKS, 0700, err);
	struct file_like like = { fd, true };
	struct file_new how = { "new", 0600, (uid_t)-1, (gid_t)-1, &like };
	return kept < 0 ? -1
			: file_replace_via(kept, a->file.kept, buf_cstr(&bytes), bytes.len, &how,
					   err);
}

/* Reads the new contents, from the action or from an object of the store. */
static int new_bytes(const struct deploy *d, const struct plan_action *a, struct buf *to,
		     struct err *err)
{
	if (a->file.data) {
		buf_add(to, a->file.data, a->file.len);
		return buf_check(to, a->path, err);
	}
	AUTO(fd) int fd = path_open(d->root, a->file.source, PATH_NO_LINKS, O_RDONLY, 0, err);
	return fd < 0 ? -1 : file_read_fd(fd, a->file.source, FILE_MAX, to, err);
}

int file_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(buf) struct buf bytes = BUF_INIT(FILE_MAX);
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	struct file_info now;
	int there = file_inspect(d, a->path, &now, err);

	if (there < 0 || file_at_open(d, a->path, &s, err) < 0)
		return -1;
	if (!str_eq(there ? now.sha256 : NULL, a->was))
		return err_set(err, E_STATE, "%s was changed by another program; try again",
			       a->path);
	if (!a->will)
		return remove_file(&s, a->path, err);
	if (s.dir < 0)
		return err_set(err, E_STATE, "the directory of %s is gone; try again", a->path);
	if (new_bytes(d, a, &bytes, err) < 0)
		return -1;
	AUTO(fd) int old = openat(s.dir, s.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct file_like like = { old, false };
	struct file_new how = { NULL, a->file.new_mode, a->was ? a->file.uid : (uid_t)-1,
				a->was ? a->file.gid : (gid_t)-1, old < 0 ? NULL : &like };
	return write_file(&s, &bytes, &how, err);
}

/* Reads the old contents; returns the open copy. E_INVALID: it is not what the journal says, so that
 * recover gives up this undo instead of failing for ever. */
static int read_kept(const struct deploy *d, const struct plan_action *a, struct buf *to,
		     struct err *err)
{
	AUTO(str) char *path = str_fmt("state/kept/%s", a->file.kept);
	AUTO(fd) int fd = path_open(d->root, path, PATH_NO_LINKS, O_RDONLY, 0, err);
	char hex[65];

	if (fd < 0 && err->code == E_NOT_FOUND) {
		err_clear(err);
		return err_set(err, E_INVALID, "%s, the old contents of %s, is missing", path,
			       a->path);
	}
	if (fd < 0 || file_read_fd(fd, path, FILE_MAX, to, err) < 0)
		return -1;
	sha256_hex(buf_cstr(to), to->len, hex);
	if (!str_eq(hex, a->was))
		return err_set(err, E_INVALID, "%s, the old contents of %s, is damaged", path,
			       a->path);
	return STEAL(fd, -1);
}

int file_undo(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(buf) struct buf bytes = BUF_INIT(FILE_MAX);
	AUTO(str) char *tmp = temporary_name(path_basename(a->path));
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	struct file_info now;
	int found = file_at_open(d, a->path, &s, err), there;

	if (found <= 0) /* apply never created its directory */
		return found;
	if (unlinkat(s.dir, tmp, 0) < 0 && errno != ENOENT)
		return path_sys(err, s.dir, tmp, "remove %s beside %s", tmp, a->path);
	there = file_inspect(d, a->path, &now, err);
	if (there < 0)
		return -1;
	if (str_eq(there ? now.sha256 : NULL, a->was))
		return 0;
	if (!str_eq(there ? now.sha256 : NULL, a->will)) {
		log_warn("keeping a file that another program changed", LOG_S("path", a->path));
		return 0;
	}
	if (!a->was)
		return remove_file(&s, a->path, err);
	AUTO(fd) int kept = read_kept(d, a, &bytes, err);
	if (kept < 0)
		return -1;
	struct file_like like = { kept, true };
	struct file_new how = { NULL, a->file.mode, a->file.uid, a->file.gid, &like };
	return write_file(&s, &bytes, &how, err);
}

/* Its owner and mode, and its name. */
static int sync_dir(const struct file_at *s, const char *path, struct err *err)
{
	AUTO(fd) int fd = openat(s->dir, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 || fsync(s->dir) < 0 ? err_sys(err, "sync %s", path) : 0;
}

static int make_dir(const struct file_at *s, const char *path, mode_t mode, struct err *err)
{
	/* chmod, since the umask applies to mkdir. After a crash in between, undo removes the
	 * directory. */
	if (mkdirat(s->dir, s->name, 0700) < 0)
		return errno == EEXIST ? 0 : path_sys(err, s->dir, s->name, "make %s", path);
	if (fchmodat(s->dir, s->name, mode, 0) < 0)
		return err_sys(err, "make %s", path);
	return sync_dir(s, path, err);
}

/* Removes an empty directory; one that has files of others stays, and so does a mount point. */
static int remove_dir(const struct file_at *s, const char *path, struct err *err)
{
	/* PLAN_SYNC covers the file system of the prefix only. */
	if (unlinkat(s->dir, s->name, AT_REMOVEDIR) == 0)
		return *path == '/' && fsync(s->dir) < 0
			       ? err_sys(err, "sync the directory of %s", path)
			       : 0;
	if (errno != ENOENT && errno != ENOTEMPTY && errno != ENOTDIR && errno != EBUSY)
		return path_sys(err, s->dir, s->name, "remove %s", path);
	return 0;
}

int dir_apply(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	int found;

	/* That of one that goes has to wait for the end (run_finish). */
	if (parent_is(d, a->path))
		return a->will ? parent_keep(a->path, err) : 0;
	found = file_at_open(d, a->path, &s, err);
	if (found < 0)
		return -1;
	if (!a->will)
		return found ? remove_dir(&s, a->path, err) : 0;
	if (!found)
		return err_set(err, E_STATE, "the directory of %s is gone; try again", a->path);
	return make_dir(&s, a->path, a->dir.mode, err);
}

static int restore_dir(const struct file_at *s, const struct plan_action *a, struct err *err)
{
	struct stat st;

	if (mkdirat(s->dir, s->name, 0700) < 0 && errno != EEXIST)
		return path_sys(err, s->dir, s->name, "make %s", a->path);
	if (fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at %s", a->path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if ((st.st_uid != a->dir.uid || st.st_gid != a->dir.gid) &&
	    fchownat(s->dir, s->name, a->dir.uid, a->dir.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return path_sys(err, s->dir, s->name, "give %s back to its owner", a->path);
	if (fchmodat(s->dir, s->name, a->dir.mode, 0) < 0)
		return path_sys(err, s->dir, s->name, "make %s", a->path);
	/* PLAN_SYNC covers the file system of the prefix only. */
	return *a->path == '/' ? sync_dir(s, a->path, err) : 0;
}

int dir_undo(const struct deploy *d, struct plan_action *a, struct err *err)
{
	AUTO(file_at) struct file_at s = FILE_AT_INIT;
	int found;

	if (parent_is(d, a->path))
		return a->will ? parent_leave(d, a->path, err) : 0;
	found = file_at_open(d, a->path, &s, err);
	if (found <= 0)
		return found;
	if (!a->was)
		return remove_dir(&s, a->path, err);
	/* A crash may have come in the middle: everything is repeated. */
	return restore_dir(&s, a, err);
}

int file_drop(const struct deploy *d, struct plan_action *a, struct err *err)
{
	const char *path = a->path;
	AUTO(str) char *parent = xstrndup(path, (size_t)(path_basename(path) - path - 1));

	/* Even a directory, which somebody else has made. */
	if (path_remove_below(d->root, path, err) < 0)
		return -1;
	if (unlinkat(d->root, parent, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != ENOENT)
		return path_sys(err, d->root, parent, "remove %s", parent);
	return 0;
}
