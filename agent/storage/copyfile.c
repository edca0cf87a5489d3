// SPDX-License-Identifier: Apache-2.0
/*
 * Writes files that arrive in chunks. Every path is resolved beneath GUEST_DIR, so neither ".." nor
 * a link that a container made leads out of it.
 */

#include "agent/storage/copyfile.h"

#include "agent/paths.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int set_owner(int at, const char *name, const struct copyfile *r, struct err *err)
{
	if (fchownat(at, name, r->uid, r->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return err_sys(err, "set the owner of %s", r->path);
	return 0;
}

static int make_directory(int parent, const char *name, const struct copyfile *r, struct err *err)
{
	AUTO(fd) int fd = -1;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make %s", r->path);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", r->path);
	if (set_owner(fd, "", r, err) < 0)
		return -1;
	return fchmod(fd, r->mode & 07777) < 0 ? err_sys(err, "set the mode of %s", r->path) : 0;
}

static int rename_over(int parent, const char *part, const char *name, const struct copyfile *r,
		       struct err *err)
{
	if (renameat(parent, part, parent, name) == 0)
		return 0;
	err_sys(err, "put %s in place", r->path);
	(void)unlinkat(parent, part, 0);
	return -1;
}

static int make_link(int parent, const char *part, const char *name, const struct copyfile *r,
		     struct err *err)
{
	AUTO(str) char *target = NULL;

	if (!r->len || r->len >= PATH_MAX || memchr(r->data, '\0', r->len))
		return err_set(err, E_INVALID, "%.256s: invalid target of a symbolic link",
			       r->path);
	target = xstrndup((const char *)r->data, r->len);
	if (unlinkat(parent, part, 0) < 0 && errno != ENOENT)
		return err_sys(err, "clear %s", part);
	if (symlinkat(target, parent, part) < 0)
		return err_sys(err, "make link %s", r->path);
	if (set_owner(parent, part, r, err) < 0)
		return -1;
	return rename_over(parent, part, name, r, err);
}

static int check_range(const struct copyfile *r, struct err *err)
{
	if (r->size < 0 || r->offset < 0 || r->offset > r->size ||
	    r->len > (uint64_t)(r->size - r->offset))
		return err_set(err, E_INVALID,
			       "%.256s: %zu bytes at %lld are not in a file of %lld bytes", r->path,
			       r->len, (long long)r->offset, (long long)r->size);
	return 0;
}

/* Writes a chunk to the file part, whose name depends on the path alone, so that all chunks go to
 * one file. After the last byte it is renamed. */
static int write_part(int parent, const char *part, const char *name, const struct copyfile *r,
		      struct err *err)
{
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (r->offset ? 0 : O_TRUNC);
	AUTO(fd) int fd = -1;
	size_t done = 0;

	if (check_range(r, err) < 0)
		return -1;
	fd = openat(parent, part, flags, 0600);
	if (fd < 0)
		return err_sys(err, "open %s", part);
	while (done < r->len) {
		ssize_t n = pwrite(fd, r->data + done, r->len - done, r->offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write %s", part);
		done += (size_t)n;
	}
	if (r->offset + (int64_t)done < r->size)
		return 0; /* more chunks follow */
	if (set_owner(fd, "", r, err) < 0)
		return -1;
	if (fchmod(fd, r->mode & 07777) < 0)
		return err_sys(err, "set the mode of %s", r->path);
	return rename_over(parent, part, name, r, err);
}

int copyfile_write(const struct copyfile *r, struct err *err)
{
	AUTO(fd) int root = -1;
	AUTO(fd) int parent = -1;
	AUTO(str) char *part = NULL;
	const char *name;

	if (!str_starts(r->path, GUEST_DIR "/"))
		return err_set(err, E_INVALID, "'%.256s' is not below " GUEST_DIR, r->path);
	if (path_make(GUEST_DIR, GUEST_DIR_MODE, err) < 0)
		return -1;
	root = open(GUEST_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open " GUEST_DIR);
	parent = path_parent(root, r->path + strlen(GUEST_DIR "/"), PATH_BENEATH,
			     r->dir_mode ? r->dir_mode & 07777 : 0755, &name, err);
	if (parent < 0)
		return -1;
	part = str_fmt(".%s.kata-part", name);
	switch (r->mode & S_IFMT) {
	case S_IFDIR:
		return make_directory(parent, name, r, err);
	case S_IFLNK:
		return make_link(parent, part, name, r, err);
	case S_IFREG:
	case 0:
		return write_part(parent, part, name, r, err);
	default:
		return err_set(err, E_INVALID,
			       "%.256s: mode %o is not that of a file, directory or link", r->path,
			       r->mode);
	}
}

int copyfile_remove(const char *container, struct err *err)
{
	AUTO(str) char *path = path_join(COPIES_DIR, container);
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "look at %s", path);
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ? path_remove_tree(path, err)
								    : 0;
}
