// SPDX-License-Identifier: Apache-2.0
/* Opening names beneath a root, making and removing trees, lexical operations. */

#include "base/path.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_in(int root, const char *path, enum path_scope scope, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_NO_MAGICLINKS |
			   (scope == PATH_IN_ROOT ? RESOLVE_IN_ROOT : RESOLVE_BENEATH) |
			   (scope == PATH_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0),
	};
	long fd;

	if (scope == PATH_IN_ROOT)
		path += strspn(path, "/");
	if (!*path)
		path = ".";
	do /* EAGAIN: a rename raced with the walk of ".." */
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

int path_open(int root, const char *path, enum path_scope scope, int flags, mode_t mode,
	      struct err *err)
{
	int fd = open_in(root, path, scope, flags, mode);

	return fd < 0 ? err_sys(err, "open %s", path) : fd;
}

/* One more directory below dir, made if it is missing; dir is closed. */
static int step_down(int root, int dir, const char *sofar, const char *name, enum path_scope scope,
		     mode_t mode, struct err *err)
{
	AUTO(fd) int held = dir;
	int fd = open_in(root, sofar, scope, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT || (mkdirat(held, name, mode) < 0 && errno != EEXIST))
		return err_sys(err, "make directory %s", sofar);
	fd = open_in(root, sofar, scope, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? err_sys(err, "open directory %s", sofar) : fd;
}

int path_mkdirs(int root, const char *path, enum path_scope scope, mode_t mode, struct err *err)
{
	AUTO(strv) char **parts = strv_split(path, "/");
	AUTO(str) char *sofar = xstrdup("");
	int dir = open_in(root, ".", scope, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return err_sys(err, "open the root of %s", path);
	strv_each(part, parts) {
		char *longer = str_fmt("%s%s%s", sofar, *sofar ? "/" : "", *part);

		free(sofar);
		sofar = longer;
		dir = step_down(root, dir, sofar, *part, scope, mode, err);
		if (dir < 0)
			return -1;
	}
	return dir;
}

int path_parent(int root, const char *path, enum path_scope scope, mode_t mode, const char **name,
		struct err *err)
{
	const char *last = path_basename(path);
	AUTO(str) char *parent = xstrndup(path, (size_t)(last - path));

	if (!*last || str_eq(last, ".") || str_eq(last, ".."))
		return err_set(err, E_INVALID, "path '%s' has no file name", path);
	*name = last;
	return path_mkdirs(root, parent, scope, mode, err);
}

int path_make(const char *path, mode_t mode, struct err *err)
{
	AUTO(str) char *sofar = xstrdup(path);

	for (char *p = sofar + 1; *sofar; p++) {
		char kept = *p;

		if (kept != '/' && kept != '\0')
			continue;
		*p = '\0';
		if (mkdir(sofar, mode) < 0 && errno != EEXIST)
			return err_sys(err, "make directory %s", sofar);
		*p = kept;
		if (!kept)
			break;
	}
	return 0;
}

static int remove_below(int parent, const char *name, dev_t dev, const char *path, struct err *err);

static int remove_entries(int dirfd, dev_t dev, const char *path, struct err *err)
{
	int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		err_sys(err, "list %s", path);
		fd_close(&copy);
		return -1;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		AUTO(str) char *sub = NULL;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		sub = path_join(path, e->d_name);
		if (remove_below(dirfd, e->d_name, dev, sub, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_below(int parent, const char *name, dev_t dev, const char *path, struct err *err)
{
	struct stat st;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EBUSY)
		return err_sys(err, "remove %s", path);
	AUTO(fd) int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(err, "remove %s", path);
	if (dev && st.st_dev != dev)
		return err_set(err, E_STATE, "%s is a mount point; unmount it first", path);
	if (remove_entries(dir, st.st_dev, path, err) < 0)
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, "remove directory %s", path);
	return 0;
}

int path_remove_tree(const char *path, struct err *err)
{
	return remove_below(AT_FDCWD, path, 0, path, err);
}

int path_remove_below(int root, const char *path, struct err *err)
{
	const char *name = path_basename(path);
	AUTO(str) char *parent = xstrndup(path, (size_t)(name - path));
	AUTO(fd) int dir = open_in(root, parent, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open the directory of %s", path);
	return remove_below(dir, name, 0, path, err);
}

/* The path of an fd, without that of the directory above it. */
static char *below(int top, int fd)
{
	char whole[PATH_MAX], up[PATH_MAX], name[64];
	ssize_t n, above;

	(void)!str_print(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, whole, sizeof(whole) - 1);
	(void)!str_print(name, sizeof(name), "/proc/self/fd/%d", top);
	above = readlink(name, up, sizeof(up) - 1);
	if (n < 0 || above < 0 || above > n)
		return NULL;
	whole[n] = '\0';
	return xstrdup(str_eq(up, "/") ? whole : whole + above);
}

static bool is_link(int dir, const char *path)
{
	AUTO(str) char *name = xstrndup(path, strcspn(path, "/"));
	struct stat st;

	return *name && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

char *path_from_root(const char *root, const char *path, struct err *err)
{
	AUTO(fd) int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(str) char *clean = path_clean(path);
	size_t n = strlen(clean);

	if (top < 0) {
		err_sys(err, "open %s", root);
		return NULL;
	}
	for (;;) {
		AUTO(str) char *head = n > 1 ? xstrndup(clean, n) : xstrdup(".");
		AUTO(fd) int fd = open_in(top, head, PATH_IN_ROOT, O_PATH, 0);
		AUTO(str) char *there = fd < 0 ? NULL : below(top, fd);
		const char *rest = clean + n + (clean[n] == '/');

		if (there && !is_link(fd, rest))
			return str_fmt("%s%s%s%s", root, there, *rest ? "/" : "", rest);
		if (there)
			err_set(err, E_STATE, "%s is a link that leads nowhere below %s", clean,
				root);
		else if (fd >= 0 || n <= 1 || (errno != ENOENT && errno != ENOTDIR))
			err_sys(err, "open %s below %s", head, root);
		if (err->code)
			return NULL;
		while (n > 1 && clean[--n] != '/')
			;
	}
}

char *path_join(const char *dir, const char *name)
{
	name += strspn(name, "/");
	return str_fmt("%s%s%s", dir, *dir && !str_ends(dir, "/") ? "/" : "", name);
}

char *path_clean(const char *path)
{
	AUTO(strv) char **parts = strv_split(path, "/");
	const char **kept = xcalloc(strv_len(parts) + 1, sizeof(*kept));
	size_t n = 0;
	char *joined, *out;

	strv_each(part, parts) {
		if (str_eq(*part, "."))
			continue;
		if (!str_eq(*part, ".."))
			kept[n++] = *part;
		else if (n)
			n--;
	}
	kept[n] = NULL;
	joined = strv_join((char *const *)kept, "/");
	out = str_fmt("%s%s", *path == '/' ? "/" : n ? "" : ".", joined);
	free(joined);
	free(kept);
	return out;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

struct path_fd path_of_fd(int fd)
{
	struct path_fd out;

	if (str_print(out.path, sizeof(out.path), "/proc/self/fd/%d", fd) < 0)
		bug("fd %d", fd);
	return out;
}
