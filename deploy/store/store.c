// SPDX-License-Identifier: Apache-2.0
/*
 * Objects, generations and links. The file system shows whether a function here has completed, so
 * the journal needs no record of each call.
 */

#include "deploy/store/store.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A new symlink before its rename; removed when the prefix is opened (prefix_settle). */
#define LINK_NEW "state/link.new"

char *store_object(const struct entry *e)
{
	return str_fmt("store/sha256/%.2s/%s%s", e->sha256, e->sha256,
		       entry_is_exec(e) ? ".x" : "");
}

/* Opens a regular file; returns its fd, or -1 with errno: ELOOP for a file of any other kind. */
static int open_regular(int root, const char *path, struct stat *st)
{
	struct err ignored = ERR_INIT; /* the caller reports it */
	int fd = path_open(root, path, PATH_NO_LINKS, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
			   &ignored);

	if (fd < 0) {
		errno = ignored.sys;
		return -1;
	}
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		fd_close(&fd);
		errno = ELOOP;
		return -1;
	}
	return fd;
}

int store_has(int root, const struct entry *e, struct err *err)
{
	AUTO(str) char *object = store_object(e);
	char hex[65];
	uint64_t size;
	int there = store_digest(root, object, hex, &size, err);

	if (there <= 0)
		return there;
	if (size != e->size || !str_eq(hex, e->sha256)) {
		err_set(err, E_STATE, "%s is damaged", object);
		return err_hint(err, "run %s", advice("repair"));
	}
	return 1;
}

int store_digest(int root, const char *path, char hex[65], uint64_t *size, struct err *err)
{
	struct stat st;
	AUTO(fd) int fd = open_regular(root, path, &st);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 && errno == ELOOP)
		return err_set(err, E_STATE, "%s is not a regular file; move it away, then run %s",
			       path, advice("repair"));
	if (fd < 0)
		return err_sys(err, "open %s", path);
	return sha256_fd(fd, path, hex, size, err) < 0 ? -1 : 1;
}

/* Enables fs-verity, which is optional: returns 0 or the errno, for the record. */
static int guard(int fd)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};

	return ioctl(fd, FS_IOC_ENABLE_VERITY, &arg) < 0 && errno != EEXIST ? errno : 0;
}

/*
 * Where SELinux is enabled, a new file has the type of its directory, such as usr_t. The domain of a
 * container's VM may only execute files of types for programs, and the policy's rule for /opt/.../bin
 * does not apply to the paths of objects. So a program gets the type bin_t, unless it has a type for
 * programs already. The label is USER:ROLE:TYPE, and a level behind another colon.
 */
static void label_program(int fd, const char *staged)
{
	char label[256];
	ssize_t n = fgetxattr(fd, XATTR_NAME_SELINUX, label, sizeof(label) - 1);
	AUTO(strv) char **parts = NULL;

	if (n <= 0)
		return;
	label[n] = '\0';
	parts = strv_split(label, ":");
	if (strv_len(parts) < 3 || str_eq(parts[2], "bin_t") || str_ends(parts[2], "_exec_t"))
		return;
	str_set(&parts[2], "bin_t");
	AUTO(str) char *ours = strv_join(parts, ":");
	if (fsetxattr(fd, XATTR_NAME_SELINUX, ours, strlen(ours) + 1, 0) < 0)
		log_warn("a program keeps a label with which SELinux may not let VMs execute it",
			 LOG_S("path", staged), LOG_S("label", label),
			 LOG_S("error", strerror(errno)));
}

int store_seal(int root, const char *staged, const struct entry *e, int *guarded, struct err *err)
{
	struct stat st;
	AUTO(fd) int fd = open_regular(root, staged, &st);
	char hex[65];
	uint64_t size;

	if (fd < 0)
		return err_sys(err, "open %s", staged);
	if (st.st_nlink != 1)
		return err_set(err, E_INVALID, "%s has more than one hard link", staged);
	if (sha256_fd(fd, staged, hex, &size, err) < 0)
		return -1;
	if (size != e->size || !str_eq(hex, e->sha256))
		return err_set(err, E_INVALID, "%s is not what the release lists: %llu bytes, %s",
			       staged, (unsigned long long)size, hex);
	if ((st.st_uid != geteuid() && fchown(fd, geteuid(), getegid()) < 0) ||
	    fchmod(fd, entry_is_exec(e) ? 0555 : 0444) < 0)
		return err_sys(err, "make %s read-only", staged);
	if (entry_is_exec(e))
		label_program(fd, staged);
	*guarded = guard(fd);
	return 0;
}

int store_adopt(int root, const char *staged, const char *object, struct err *err)
{
	const char *from, *to;
	AUTO(fd) int source = path_parent(root, staged, PATH_NO_LINKS, 0700, &from, err);
	AUTO(fd)
	int target = source < 0 ? -1 : path_parent(root, object, PATH_NO_LINKS, 0755, &to, err);

	if (target < 0)
		return -1;
	if (path_rename_new(source, from, target, to) < 0)
		return path_sys(err, target, to, "move %s to %s", staged, object);
	return 0;
}

/* The directory of the previous entry, kept open: entries are sorted, so most share it. */
struct last_dir {
	int tree; /* fd of the generation's directory */
	char *dir;
	int fd;
};

static void last_dir_release(struct last_dir *p)
{
	fd_close(&p->fd);
	fd_close(&p->tree);
	free(p->dir);
}
DEFINE_AUTO_STRUCT(last_dir, struct last_dir, last_dir_release)

/* Makes and opens the directory of path; returns its fd, borrowed, and the name in it. */
static int last_dir_find(struct last_dir *p, const char *path, const char **name, struct err *err)
{
	const char *last = path_basename(path);
	AUTO(str) char *dir = xstrndup(path, (size_t)(last - path));

	*name = last;
	if (p->fd >= 0 && str_eq(dir, p->dir))
		return p->fd;
	fd_close(&p->fd);
	p->fd = path_mkdirs(p->tree, dir, PATH_NO_LINKS, 0755, err);
	str_set(&p->dir, dir);
	return p->fd;
}

static int build_entry(int root, struct last_dir *p, const struct entry *e, struct err *err)
{
	const char *name;
	int dir = last_dir_find(p, e->path, &name, err);

	if (dir < 0)
		return -1;
	if (e->type == ENTRY_LINK)
		return symlinkat(e->target, dir, name) < 0
			       ? path_sys(err, dir, name, "link %s", e->path)
			       : 0;
	AUTO(str) char *object = store_object(e);
	if (linkat(root, object, dir, name, 0) < 0)
		return path_sys(err, root, object, "link %s to %s", e->path, object);
	return 0;
}

int store_build(int root, const struct layout *l, struct err *err)
{
	AUTO(str) char *path = str_fmt("generations/%s", l->id);
	AUTO(last_dir) struct last_dir last = { .tree = -1, .fd = -1 };

	if (mkdirat(root, path, 0755) < 0)
		return path_sys(err, root, path, "make %s", path);
	last.tree = path_open(root, path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0, err);
	if (last.tree < 0)
		return -1;
	vec_each(struct entry, e, &l->entries) {
		if (build_entry(root, &last, e, err) < 0)
			return err_wrap(err, "%s", path);
	}
	return 0;
}

int store_relink(int root, const struct layout *l, const struct entry *e, struct err *err)
{
	static const char fresh[] = "staging/relink";
	AUTO(str) char *path = str_fmt("generations/%s/%s", l->id, e->path);
	AUTO(str) char *object = store_object(e);
	const char *name;
	AUTO(fd) int dir = path_parent(root, path, PATH_NO_LINKS, 0755, &name, err);

	if (dir < 0)
		return -1;
	if (unlinkat(root, fresh, 0) < 0 && errno != ENOENT)
		return err_sys(err, "clear %s", fresh);
	if ((e->type == ENTRY_LINK ? symlinkat(e->target, root, fresh)
				   : linkat(root, object, root, fresh, 0)) < 0)
		return path_sys(err, root, e->type == ENTRY_LINK ? fresh : object, "link %s", path);
	if (renameat(root, fresh, dir, name) < 0)
		return path_sys(err, dir, name, "link %s", path);
	/* rename() of a file over another name of the same inode does nothing and leaves both
	 * names. */
	if (unlinkat(root, fresh, 0) < 0 && errno != ENOENT)
		return err_sys(err, "clear %s", fresh);
	return 0;
}

int store_link_read(int root, const char *path, char **target, struct err *err)
{
	char text[1200];
	ssize_t n = readlinkat(root, path, text, sizeof(text) - 1);

	*target = NULL;
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0 && errno == EINVAL)
		return err_set(err, E_EXISTS,
			       "%s exists and is not a symlink of ours; move it away", path);
	if (n < 0)
		return err_sys(err, "read the link %s", path);
	*target = xstrndup(text, (size_t)n);
	return 1;
}

int store_link_set(int root, const char *path, const char *target, struct err *err)
{
	if (!target && unlinkat(root, path, 0) < 0 && errno != ENOENT)
		return path_sys(err, root, path, "remove %s", path);
	/* A crash before the rename leaves the old link and LINK_NEW. */
	if (target &&
	    ((unlinkat(root, LINK_NEW, 0) < 0 && errno != ENOENT) ||
	     symlinkat(target, root, LINK_NEW) < 0 || renameat(root, LINK_NEW, root, path) < 0))
		return path_sys(err, root, path, "point %s to %s", path, target);
	AUTO(fd) int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return err_sys(err, "sync the directory of %s", path);
	return 0;
}

int store_sync(int root, struct err *err)
{
	AUTO(fd) int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || syncfs(dir) < 0)
		return err_sys(err, "sync the file system");
	return 0;
}
