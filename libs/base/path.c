// SPDX-License-Identifier: Apache-2.0
/* Opening names beneath a root, making and removing trees, lexical operations. */

#include "base/path.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- attributes that bind even root --- */

/* The chattr(1) letter of the attribute that forbids changes of name in dir, 'i' or 'a', or 0;
 * whole gets its absolute path. A symbolic link has no attributes. */
static char pinned(int dir, const char *name, char whole[PATH_MAX])
{
	AUTO(fd)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int flags = 0;
	ssize_t n = fd < 0 ? -1 : readlink(path_of_fd(fd).path, whole, PATH_MAX - 1);

	if (n < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return 0;
	whole[n] = '\0';
	return flags & FS_IMMUTABLE_FL ? 'i' : flags & FS_APPEND_FL ? 'a' : 0;
}

int path_sys_at(struct err *e, const char *where, int dir, const char *name, const char *fmt, ...)
{
	int saved = errno;
	char text[sizeof(e->msg)], whole[PATH_MAX], parent[PATH_MAX];
	char letter = 0;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (saved == EPERM)
		letter = pinned(dir, name, whole);
	if (saved == EPERM && !letter &&
	    str_print(parent, sizeof(parent), "%.*s.", (int)(path_basename(name) - name), name) ==
		    0)
		letter = pinned(dir, parent, whole);
	errno = saved;
	err_sys_at(e, where, "%s", text);
	if (saved == EBUSY && path_is_mount(dir, name))
		err_hint(e, "it is a mount point; unmount it first");
	if (letter)
		err_hint(e, "%s has the attribute \"%s\"; take it away with chattr -%c %s", whole,
			 letter == 'i' ? "immutable" : "append only", letter, whole);
	errno = saved;
	return -1;
}

/* --- opening --- */

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

/*
 * Creates missing components while walking a path. Links are resolved here by their text, with the
 * rules of open_in(), so that the target of a dangling link can be created. Each step opens one
 * component relative to an open directory, and never a link, so nobody can replace what was
 * checked.
 */
struct way {
	int root, dir; /* dir: owned, the current directory */
	enum path_scope scope;
	mode_t dir_mode, file_mode;
	bool file;   /* the last component is a file */
	char **done; /* strv: the path of dir below root, without links */
	char *rest;  /* the rest of the path */
	unsigned links;
};

enum { LINKS_MAX = 40 }; /* as in the kernel */

static int way_to(struct way *w)
{
	AUTO(str) char *path = strv_join(w->done, "/");

	fd_close(&w->dir);
	w->dir = open_in(w->root, path, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);
	return w->dir < 0 ? -1 : 0;
}

static int way_up(struct way *w)
{
	size_t n = strv_len(w->done);

	if (n == 0 && w->scope == PATH_IN_ROOT)
		return 0;
	if (n == 0) {
		errno = EXDEV;
		return -1;
	}
	free(w->done[n - 1]);
	w->done[n - 1] = NULL;
	return way_to(w);
}

/* Replaces the name of a link by its text. A magic link of /proc has no usable text. */
static int way_along(struct way *w, const char *name, int link)
{
	AUTO(fd) int probe = open_in(w->dir, name, PATH_IN_ROOT, O_PATH, 0);
	char text[PATH_MAX], *longer;
	ssize_t n;

	if (probe < 0 && errno == ELOOP)
		return -1;
	n = readlinkat(link, "", text, sizeof(text) - 1);
	if (n < 0)
		return -1;
	text[n] = '\0';
	if (w->scope == PATH_NO_LINKS || ++w->links > LINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	if (*text == '/' && w->scope != PATH_IN_ROOT) {
		errno = EXDEV;
		return -1;
	}
	longer = path_join(text, w->rest);
	free(w->rest);
	w->rest = longer;
	if (*text != '/')
		return 0;
	strv_free(w->done);
	w->done = NULL;
	return way_to(w);
}

static int way_make(struct way *w, const char *name, bool file)
{
	int fd;

	if (!file && mkdirat(w->dir, name, w->dir_mode) < 0 && errno != EEXIST)
		return -1;
	if (file) {
		fd = openat(w->dir, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
			    w->file_mode);
		if (fd < 0 && errno != EEXIST)
			return -1;
		fd_close(&fd);
	}
	return openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Takes the first component off rest. */
static char *way_next(struct way *w)
{
	char *rest = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(rest, "/");
	char *name = xstrndup(rest, n);

	rest = xstrdup(rest + n + strspn(rest + n, "/"));
	free(w->rest);
	w->rest = rest;
	return name;
}

static int way_step(struct way *w)
{
	AUTO(str) char *name = way_next(w);
	bool file = w->file && !*w->rest;
	struct stat st;

	if (!*name || str_eq(name, "."))
		return 0;
	if (str_eq(name, ".."))
		return way_up(w);
	int found = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0 && errno == ENOENT)
		found = way_make(w, name, file);
	AUTO(fd) int next = found;
	if (next < 0 || fstat(next, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return way_along(w, name, next);
	if (!file && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	strv_push(&w->done, name);
	fd_close(&w->dir);
	w->dir = STEAL(next, -1);
	return 0;
}

static int make_way(struct way *w, const char *path, struct err *err)
{
	int r = way_to(w);

	if (r < 0)
		return err_sys(err, "open the root of %s", path);
	w->rest = xstrdup(path);
	while (r == 0 && *w->rest)
		r = way_step(w);
	if (r < 0) {
		path_sys(err, w->dir, ".", "make %s", path);
		fd_close(&w->dir);
	}
	strv_free(w->done);
	free(w->rest);
	return w->dir;
}

int path_mkdirs(int root, const char *path, enum path_scope scope, mode_t mode, struct err *err)
{
	struct way w = { .root = root, .dir = -1, .scope = scope, .dir_mode = mode };
	int fd = open_in(root, path, scope, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? make_way(&w, path, err) : err_sys(err, "open directory %s", path);
}

int path_mkfile(int root, const char *path, enum path_scope scope, mode_t dir_mode, mode_t mode,
		struct err *err)
{
	struct way w = { .root = root,
			 .dir = -1,
			 .scope = scope,
			 .dir_mode = dir_mode,
			 .file_mode = mode,
			 .file = true };
	int fd = open_in(root, path, scope, O_PATH, 0);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? make_way(&w, path, err) : err_sys(err, "open %s", path);
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

char *path_existing(const char *path)
{
	char *dir = path_clean(path);

	while (!path_exists(dir)) {
		size_t n = (size_t)(path_basename(dir) - dir);

		if (n == 0) {
			str_set(&dir, ".");
			break;
		}
		dir[n > 1 ? n - 1 : 1] = '\0';
	}
	return dir;
}

int path_make(const char *path, mode_t mode, struct err *err)
{
	AUTO(str) char *sofar = xstrdup(path);
	struct stat st;

	for (char *p = sofar + 1; *sofar; p++) {
		char kept = *p;

		if (kept != '/' && kept != '\0')
			continue;
		*p = '\0';
		if (mkdir(sofar, mode) < 0 && errno != EEXIST)
			return path_sys(err, AT_FDCWD, sofar, "make directory %s", sofar);
		*p = kept;
		if (!kept)
			break;
	}
	if (*sofar && (stat(sofar, &st) < 0 || !S_ISDIR(st.st_mode))) {
		errno = ENOTDIR;
		return err_sys(err, "make directory %s", sofar);
	}
	return 0;
}

static int removal_failed(const struct tree_at *at, struct err *err)
{
	int saved = errno;
	AUTO(str) char *path = tree_path(at);

	if (saved == EBUSY)
		return err_set(err, E_STATE, "%s is a mount point; unmount it first", path);
	errno = saved;
	return path_sys(err, at->dir, at->name, "remove %s", path);
}

static int remove_entry(void *arg, const struct tree_at *at, struct err *err)
{
	(void)arg;
	if (at->when != TREE_ENTER &&
	    unlinkat(at->dir, at->name, at->when == TREE_LEAVE ? AT_REMOVEDIR : 0) < 0 &&
	    errno != ENOENT)
		return removal_failed(at, err);
	return TREE_GO_ON;
}

static int remove_below(int parent, const char *name, const char *path, struct err *err)
{
	const struct tree_walk walk = {
		.visit = remove_entry, .name = path, .one_mount = true, .removes = true
	};
	int why;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	why = errno;
	AUTO(fd) int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		/* If name is not a directory, the failure of the first unlinkat() is the cause. */
		errno = errno == ENOTDIR || errno == ELOOP ? why : errno;
		return path_sys(err, parent, name, "remove %s", path);
	}
	if (tree_walk(dir, &walk, err) < 0)
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return path_sys(err, parent, name, "remove directory %s", path);
	return 0;
}

int path_remove_tree(const char *path, struct err *err)
{
	return remove_below(AT_FDCWD, path, path, err);
}

int path_remove_below(int root, const char *path, struct err *err)
{
	const char *name = path_basename(path);
	AUTO(str) char *parent = xstrndup(path, (size_t)(name - path));
	AUTO(fd) int dir = open_in(root, parent, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open the directory of %s", path);
	return remove_below(dir, name, path, err);
}

/* The path of fd relative to that of top, with a leading slash, heap. NULL if fd is not below
 * top. */
static char *below(int top, int fd)
{
	AUTO(str) char *whole = fd_path(fd);
	AUTO(str) char *up = fd_path(top);

	if (!whole || !up || !path_is_below(whole, up))
		return NULL;
	return xstrdup(str_eq(up, "/") ? whole : whole + strlen(up));
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
	AUTO(str) char *absolute = path_join("/", path), *clean = path_clean(absolute);
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
			return str_fmt("%s%s%s%s", str_eq(root, "/") ? "" : root, there,
				       *rest ? "/" : "", rest);
		if (there) {
			err_set(err, E_STATE, "%s is a dangling link below %s", clean, root);
			err_hint(err, "let it lead to something, or remove it");
		} else if (fd >= 0 || n <= 1 || (errno != ENOENT && errno != ENOTDIR))
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

bool path_is_mount(int dir, const char *name)
{
	struct statx st;

	return statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int path_look(int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(err, "look at %s", path);
}

int path_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;

	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* EINVAL has other causes too: then the rename below has the same ones. */
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST;
	return errno == ENOENT ? renameat(from_dir, from, to_dir, to) : -1;
}

struct path_fd path_of_fd(int fd)
{
	struct path_fd out;

	if (str_print(out.path, sizeof(out.path), "/proc/self/fd/%d", fd) < 0)
		bug("fd %d", fd);
	return out;
}
