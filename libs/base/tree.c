// SPDX-License-Identifier: Apache-2.0
/*
 * The path down is kept as names and identities (device, inode); only the innermost directories are
 * open. One further up is reopened as ".." of the one just left, and must have the same identity.
 */

#include "base/tree.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One more is open while a step goes up or down. */
enum { OPEN_LEVELS_MAX = TREE_FDS - 1, NAMES_SHOWN = 8, NAMES_MAX = 64 << 20, PATH_SHOWN = 8192 };

struct level {
	DIR *dir; /* NULL: closed until the walk comes back */
	long at;  /* where it was left */
	dev_t dev;
	ino_t ino;
	size_t name; /* where its name begins in names */
};

struct tree {
	const struct tree_walk *walk;
	VEC(struct level) levels; /* from the root inwards */
	struct buf names;         /* each with its NUL */
};

/* --- names --- */

char *tree_path(const struct tree_at *at)
{
	const struct tree *t = at->tree;
	size_t n = t->levels.n, shown = NAMES_SHOWN / 2;
	AUTO(buf) struct buf path = BUF_INIT(PATH_SHOWN);

	buf_str(&path, t->walk->name ? t->walk->name : "");
	for (size_t i = 1; i < n; i++) {
		if (n > NAMES_SHOWN && i > shown && i < n - shown) {
			buf_str(&path, "/...");
			i = n - shown;
		}
		buf_fmt(&path, "/%s", t->names.data + t->levels.v[i].name);
	}
	buf_fmt(&path, "/%s", at->name);
	return xstrdup(buf_cstr(&path));
}

static int fail(const struct tree_at *at, const char *what, struct err *err)
{
	int saved = errno;
	AUTO(str) char *path = tree_path(at);

	errno = saved;
	return err_sys(err, "%s %s", what, path);
}

/* --- levels --- */

static int push(struct tree *t, int fd, const char *name, struct err *err)
{
	struct level l = { .name = t->names.len };
	AUTO(fd) int held = fd;
	struct stat st;

	if (fstat(held, &st) < 0)
		return err_sys(err, "look at directory %s", name);
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	l.dir = fdopendir(held);
	if (!l.dir)
		return err_sys(err, "list directory %s", name);
	held = -1;
	vec_push(&t->levels, l);
	buf_add(&t->names, name, strlen(name) + 1);
	if (buf_check(&t->names, "the path of a directory", err) < 0)
		return -1;
	if (t->levels.n > OPEN_LEVELS_MAX) {
		struct level *outer = &t->levels.v[t->levels.n - 1 - OPEN_LEVELS_MAX];

		if (outer->dir) {
			outer->at = telldir(outer->dir);
			(void)closedir(STEAL(outer->dir, NULL));
		}
	}
	return 0;
}

/* Opens the level above the innermost one, unless it is open. */
static int open_above(struct tree *t, struct err *err)
{
	struct level *inner = &t->levels.v[t->levels.n - 1], *outer = inner - 1;
	AUTO(fd) int fd = -1;
	struct stat st;

	if (outer->dir)
		return 0;
	fd = openat(dirfd(inner->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "go back from directory %s", t->names.data + inner->name);
	if (st.st_dev != outer->dev || st.st_ino != outer->ino)
		return err_set(err, E_STATE, "directory %s was moved during the walk",
			       t->names.data + inner->name);
	outer->dir = fdopendir(fd);
	if (!outer->dir)
		return err_sys(err, "list the directory of %s", t->names.data + inner->name);
	fd = -1;
	if (!t->walk->removes)
		seekdir(outer->dir, outer->at);
	return 0;
}

static void pop(struct tree *t)
{
	struct level *l = &t->levels.v[--t->levels.n];

	if (l->dir)
		(void)closedir(l->dir);
	t->names.len = l->name;
}

/* --- the walk --- */

static struct tree_at here(const struct tree *t, const char *name, enum tree_when when)
{
	const struct level *l = &t->levels.v[t->levels.n - 1];

	return (struct tree_at){ dirfd(l->dir), name, when, t->levels.n - 1, t };
}

/* The innermost directory is done: back to its parent. */
static int leave(struct tree *t, struct err *err)
{
	AUTO(str) char *name = NULL;
	struct tree_at at;

	if (t->levels.n == 1) {
		pop(t);
		return 0;
	}
	if (open_above(t, err) < 0)
		return -1;
	name = xstrdup(t->names.data + t->levels.v[t->levels.n - 1].name);
	pop(t);
	at = here(t, name, TREE_LEAVE);
	return t->walk->visit(t->walk->arg, &at, err) < 0 ? -1 : 0;
}

static int open_below(const struct tree *t, const struct tree_at *at)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   (t->walk->one_mount ? RESOLVE_NO_XDEV : 0),
	};
	long fd;

	do
		fd = syscall(SYS_openat2, at->dir, at->name, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

static int enter(struct tree *t, struct tree_at *at, struct err *err)
{
	AUTO(str) char *path = NULL;
	int fd, go = t->walk->visit(t->walk->arg, at, err);

	if (go != TREE_GO_ON)
		return go < 0 ? -1 : 0;
	fd = open_below(t, at);
	if (fd >= 0)
		return push(t, fd, at->name, err);
	if (errno == ENOENT)
		return 0;
	if (errno == ENOTDIR || errno == ELOOP) { /* the entry was replaced meanwhile */
		at->when = TREE_FILE;
		return t->walk->visit(t->walk->arg, at, err) < 0 ? -1 : 0;
	}
	if (errno != EXDEV)
		return fail(at, "open directory", err);
	path = tree_path(at);
	return err_set(err, E_STATE, "%s is a mount point; unmount it first", path);
}

static int is_directory(const struct tree_at *at, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int step(struct tree *t, struct err *err)
{
	struct dirent *e;
	struct tree_at at;

	errno = 0;
	e = readdir(t->levels.v[t->levels.n - 1].dir);
	if (!e && errno)
		return err_sys(err, "list directory %s",
			       t->names.data + t->levels.v[t->levels.n - 1].name);
	if (!e)
		return leave(t, err);
	if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
		return 0;
	at = here(t, e->d_name, TREE_FILE);
	if (!is_directory(&at, e))
		return t->walk->visit(t->walk->arg, &at, err) < 0 ? -1 : 0;
	at.when = TREE_ENTER;
	return enter(t, &at, err);
}

int tree_walk(int root, const struct tree_walk *w, struct err *err)
{
	struct tree t = { .walk = w, .levels = VEC_INIT, .names = BUF_INIT(NAMES_MAX) };
	const char *name = w->name ? w->name : ".";
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	result = fd < 0 ? err_sys(err, "open directory %s", name) : push(&t, fd, name, err);
	while (result == 0 && t.levels.n)
		result = step(&t, err);
	while (t.levels.n)
		pop(&t);
	vec_release(&t.levels);
	buf_release(&t.names);
	return result;
}
