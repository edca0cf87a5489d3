// SPDX-License-Identifier: Apache-2.0
/* Whole files: bounded reads, kernel files, atomic replacement. */

#include "base/file.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

void file_set_umask(void)
{
	(void)umask(022);
}

int file_read_fd(int fd, const char *name, size_t max, struct buf *out, struct err *err)
{
	size_t start = out->len;

	out->max = start + max;
	for (;;) {
		size_t left = out->max - out->len, want = left < 65536 ? left : 65536;
		char one, *room = want ? buf_room(out, want) : &one;
		ssize_t n = read(fd, room, want ? want : 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", name);
		if (n == 0)
			break;
		if (!want)
			return err_set(err, E_LIMIT, "%s is larger than %zu bytes", name, max);
		out->len += (size_t)n;
	}
	if (out->data)
		out->data[out->len] = '\0';
	return 0;
}

int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO(fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", path);
	return file_read_fd(fd, path, max, out, err);
}

char *file_read_line(int dirfd, const char *path, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(4096);

	if (file_read(dirfd, path, 4096, &b, err) < 0)
		return NULL;
	return xstrndup(buf_cstr(&b), strcspn(buf_cstr(&b), "\n"));
}

int file_write(int dirfd, const char *path, const char *text, struct err *err)
{
	AUTO(fd) int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "write '%s' to %s", text, path);
	return 0;
}

/* A new file ".NAME.<random>" in dir; tmp gets its name. */
static int tmp_create(int dir, const char *name, mode_t mode, char **tmp, struct err *err)
{
	for (int tries = 0; tries < 16; tries++) {
		uint64_t random;
		int fd;

		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return err_sys(err, "get random bytes");
		free(*tmp);
		*tmp = str_fmt(".%.200s.%016" PRIx64, name, random);
		fd = openat(dir, *tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? path_sys(err, dir, *tmp, "create %s", *tmp) : fd;
	}
	return err_set(err, E_EXISTS, "no free temporary name beside %s", name);
}

/* Creates the temporary file under the caller's name, in place of one that a crash left. */
static int tmp_create_as(int dir, const char *tmp, mode_t mode, struct err *err)
{
	int fd;

	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return path_sys(err, dir, tmp, "remove %s", tmp);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	return fd < 0 ? path_sys(err, dir, tmp, "create %s", tmp) : fd;
}

/* The attributes of a security module that is disabled: only CAP_SYS_ADMIN may set them, which a
 * program in a container does not have, and nobody reads them. */
static bool is_idle_label(const char *name, int cause)
{
	return cause == EPERM && str_starts(name, "security.");
}

/* A file system without extended attributes has none to copy. */
static int copy_attributes(int from, int to, struct err *err)
{
	AUTO(mem) char *value = xmalloc(XATTR_SIZE_MAX);
	char names[4096];
	ssize_t n = flistxattr(from, names, sizeof(names));

	if (n < 0)
		return errno == ENOTSUP ? 0 : err_sys(err, "list the attributes");
	for (char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t len = fgetxattr(from, name, value, XATTR_SIZE_MAX);

		if (len < 0 || (fsetxattr(to, name, value, (size_t)len, 0) < 0 &&
				errno != ENOTSUP && !is_idle_label(name, errno)))
			return err_sys(err, "copy the attribute %s", name);
	}
	return 0;
}

/* Called after the last write, since a write changes the times. */
static int make_like(int fd, const struct file_like *like, struct err *err)
{
	struct timespec times[2];
	struct stat st;

	if (copy_attributes(like->fd, fd, err) < 0)
		return -1;
	if (!like->times)
		return 0;
	if (fstat(like->fd, &st) < 0)
		return err_sys(err, "get the times");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(fd, times) < 0 ? err_sys(err, "set the times") : 0;
}

static int replace(int dirfd, const char *path, const void *data, size_t len,
		   const struct file_new *how, bool durable, struct err *err)
{
	const char *name = path_basename(path);
	AUTO(str)
	char *parent = name == path ? xstrdup(".") : xstrndup(path, (size_t)(name - path));
	AUTO(str) char *tmp = how->tmp ? xstrdup(how->tmp) : NULL;
	AUTO(fd) int dir = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "open directory %s", parent);
	AUTO(fd)
	int fd = tmp ? tmp_create_as(dir, tmp, how->mode, err)
		     : tmp_create(dir, name, how->mode, &tmp, err);
	if (fd < 0)
		return err_wrap(err, "replace %s", path);
	if (fd_write_all(fd, data, len, err) < 0 ||
	    (how->like && make_like(fd, how->like, err) < 0)) {
		err_wrap(err, "replace %s", path);
		goto undo;
	}
	/* A crash before the rename leaves the old file and a stray temporary, after it the new
	 * one. */
	if (((how->uid != (uid_t)-1 || how->gid != (gid_t)-1) &&
	     fchown(fd, how->uid, how->gid) < 0) ||
	    fchmod(fd, how->mode) < 0 || (durable && fsync(fd) < 0) || close(STEAL(fd, -1)) < 0 ||
	    renameat(dir, tmp, dir, name) < 0) {
		path_sys(err, dir, name, "replace %s", path);
		goto undo;
	}
	if (durable && fsync(dir) < 0)
		return err_sys(err, "sync the directory of %s", path);
	return 0;
undo:
	(void)unlinkat(dir, tmp, 0);
	return -1;
}

static struct file_new plain(mode_t mode)
{
	return (struct file_new){ .mode = mode, .uid = (uid_t)-1, .gid = (gid_t)-1 };
}

int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 struct err *err)
{
	struct file_new how = plain(mode);

	return replace(dirfd, path, data, len, &how, true, err);
}

int file_replace_via(int dirfd, const char *path, const void *data, size_t len,
		     const struct file_new *how, struct err *err)
{
	return replace(dirfd, path, data, len, how, true, err);
}

int file_replace_volatile(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
			  struct err *err)
{
	struct file_new how = plain(mode);

	return replace(dirfd, path, data, len, &how, false, err);
}

/* Links a nameless file (O_TMPFILE) at path, whose present file is unlinked. */
static int give_name(int fd, const char *path)
{
	struct path_fd nameless = path_of_fd(fd);

	for (int tries = 0; tries < 16; tries++) {
		if (linkat(AT_FDCWD, nameless.path, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST || (unlink(path) < 0 && errno != ENOENT))
			return -1;
	}
	return -1;
}

int file_note(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	const char *name = path_basename(path);
	AUTO(str)
	char *parent = name == path ? xstrdup(".") : xstrndup(path, (size_t)(name - path));
	AUTO(fd) int fd = open(parent, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		return file_replace_volatile(AT_FDCWD, path, data, len, mode, err);
	if (fd < 0)
		return err_sys(err, "make a file for %s", path);
	if (fd_write_all(fd, data, len, err) < 0)
		return err_wrap(err, "write %s", path);
	if (fchmod(fd, mode) < 0 || give_name(fd, path) < 0)
		return err_sys(err, "write %s", path);
	return 0;
}

int file_keep_end(const char *path, size_t max, size_t keep, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	AUTO(mem) char *end = NULL;
	const char *line;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "get the size of %s", path);
	if ((uintmax_t)st.st_size <= max)
		return 0;
	end = xmalloc(keep);
	n = pread(fd, end, keep, st.st_size - (off_t)keep);
	if (n < 0 || ftruncate(fd, 0) < 0)
		return err_sys(err, "cut %s", path);
	line = memchr(end, '\n', (size_t)n);
	line = line && line + 1 < end + n ? line + 1 : end;
	if (fd_write_all(fd, line, (size_t)(end + n - line), err) < 0)
		return err_wrap(err, "cut %s", path);
	return 1;
}
