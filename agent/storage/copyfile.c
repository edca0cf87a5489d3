// SPDX-License-Identifier: Apache-2.0
/*
 * Writes files that arrive in chunks. Every path is resolved beneath GUEST_DIR, so neither ".." nor
 * a link that a container made leads out of it.
 */

#include "agent/storage/copyfile.h"

#include "agent/paths.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
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

/* --- volumes of the kubelet --- */

/* The link that leads to a volume's present contents, "..data" -> "..TIME". A key of the volume is a
 * link through it, "KEY" -> "..data/KEY". */
#define DATA_LINK "..data"

/* The directory that the link leads to, heap; NULL if there is no such link, or its target is not a
 * directory of the kubelet beside it. */
static char *contents_of(int volume)
{
	char target[NAME_MAX + 1];
	ssize_t n = readlinkat(volume, DATA_LINK, target, sizeof(target) - 1);
	struct stat st;

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	if (!str_starts(target, "..") || str_eq(target, "..") || strchr(target, '/') ||
	    fstatat(volume, target, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return NULL;
	return xstrdup(target);
}

/* True for the link of a key that the present contents do not have. */
static bool is_stale_key(int volume, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(volume, name, target, sizeof(target) - 1);
	struct stat st;

	if (n <= 0)
		return false;
	target[n] = '\0';
	return str_starts(target, DATA_LINK "/") &&
	       fstatat(volume, target, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static int remove_stale_keys(int volume, struct err *err)
{
	int fd = openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(err, "list the volume");
	for (struct dirent *e; (e = readdir(dir));) {
		if (is_stale_key(volume, e->d_name) && unlinkat(volume, e->d_name, 0) < 0 &&
		    errno != ENOENT)
			return err_sys(err, "remove %s", e->d_name);
	}
	return 0;
}

/* Once the link leads to other contents, removes the former ones and the keys that are gone, as the
 * kubelet does on the host: the guest's memory would fill with the tokens of a pod that runs for
 * months. */
static void drop_former(int volume, const char *former, const struct copyfile *r)
{
	AUTO(str) char *present = contents_of(volume);
	struct err err = ERR_INIT;

	if (!former || !present || str_eq(former, present))
		return;
	if (path_remove_below(volume, former, &err) < 0 || remove_stale_keys(volume, &err) < 0)
		log_err(LOG_WARN, &err, "the former contents of a volume stay",
			LOG_S("path", r->path));
}

/* --- kinds of files --- */

static int make_link(int parent, const char *part, const char *name, const struct copyfile *r,
		     struct err *err)
{
	AUTO(str) char *target = NULL;
	AUTO(str) char *former = str_eq(name, DATA_LINK) ? contents_of(parent) : NULL;

	if (!r->len || r->len >= PATH_MAX || memchr(r->data, '\0', r->len))
		return err_set(err, E_INVALID, "%.256s: invalid target of a symbolic link",
			       r->path);
	target = xstrndup((const char *)r->data, r->len);
	if (unlinkat(parent, part, 0) < 0 && errno != ENOENT)
		return err_sys(err, "clear %s", part);
	if (symlinkat(target, parent, part) < 0)
		return err_sys(err, "make link %s", r->path);
	if (set_owner(parent, part, r, err) < 0 || rename_over(parent, part, name, r, err) < 0)
		return -1;
	drop_former(parent, former, r);
	return 0;
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
