// SPDX-License-Identifier: Apache-2.0
/*
 * "tmpcopyup": a tmpfs that starts with the contents of the directory it covers. The image's
 * contents are untrusted: only fds are used and no link is followed; the size of the tmpfs is the
 * limit.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_DEPTH_MAX = 64 };

static int copy_below(int from, int to, unsigned depth, struct err *err);

static int copy_file(int from, int to, const char *name, struct err *err)
{
	AUTO(fd) int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO(fd)
	int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return err_sys(err, "copy %s", name);
	do
		n = sendfile(out, in, NULL, 1 << 24);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_sys(err, "copy %s", name) : 0;
}

static int copy_link(int from, int to, const char *name, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, "copy link %s", name);
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? err_sys(err, "copy link %s", name) : 0;
}

static int copy_dir(int from, int to, const char *name, unsigned depth, struct err *err)
{
	if (depth >= COPY_DEPTH_MAX)
		return err_set(err, E_LIMIT, "%s is nested too deep", name);
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(err, "make directory %s", name);
	AUTO(fd) int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(fd) int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0)
		return err_sys(err, "copy directory %s", name);
	return copy_below(in, out, depth + 1, err);
}

/* Devices and sockets are not copied. */
static int copy_one(int from, int to, const char *name, unsigned depth, struct err *err)
{
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at %s", name);
	if (S_ISDIR(st.st_mode))
		r = copy_dir(from, to, name, depth, err);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, err);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name, err);
	else
		return 0;
	if (r < 0)
		return -1;
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "change the owner of %s", name);
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return err_sys(err, "change the mode of %s", name);
	return 0;
}

static int copy_below(int from, int to, unsigned depth, struct err *err)
{
	int copy = fcntl(from, F_DUPFD_CLOEXEC, 3);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!dir) {
		err_sys(err, "list a directory");
		fd_close(&copy);
		return -1;
	}
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (copy_one(from, to, e->d_name, depth, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list a directory") : 0;
}

int rootfs_copy_up(int under, int top, struct err *err)
{
	AUTO(fd) int from = openat(under, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int to = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0 || to < 0)
		return err_sys(err, "open the directories");
	return copy_below(from, to, 0, err);
}
