// SPDX-License-Identifier: Apache-2.0
/*
 * The directories that the first change creates and the uninstall removes: the prefix, those above it
 * that were missing, and its state/, with install.json. It must never leave a directory that no later
 * run removes.
 */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/engine/engine-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a directory; if it is missing, returns -1 without an error. */
static int open_dir(int at, const char *path, struct err *err)
{
	int fd = openat(at, path,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | (at == AT_FDCWD ? 0 : O_NOFOLLOW));

	if (fd < 0 && errno != ENOENT)
		err_sys(err, "open %s", path);
	return fd;
}

int prefix_open(struct deploy *d, struct err *err)
{
	d->root = open_dir(AT_FDCWD, d->prefix, err);
	if (d->root >= 0)
		d->state = open_dir(d->root, "state", err);
	return err->code ? -1 : 0;
}

int hint_recover(struct err *err)
{
	return err_hint(err, "run %s", advice("recover"));
}

int prefix_look(const struct deploy *d, const char *path, struct err *err)
{
	return d->root < 0 ? 0 : path_look(d->root, path, err);
}

int prefix_look_any(const struct deploy *d, const char *const *paths, struct err *err)
{
	int there = 0;

	for (; *paths && there == 0; paths++)
		there = prefix_look(d, *paths, err);
	return there;
}

int prefix_list(const struct deploy *d, const char *path, char ***names, struct err *err)
{
	struct err why = ERR_INIT;
	AUTO(fd)
	int fd = path_open(d->root, path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, &why);
	AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir && fd < 0 && why.sys == ENOENT)
		return 0;
	if (!dir)
		return fd < 0 ? err_set(err, E_IO, "list %s: %s", path, why.msg)
			      : err_sys(err, "list %s", path);
	(void)STEAL(fd, -1);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			strv_push(names, e->d_name);
	}
	/* What a list lacks by mistake, recover would forget and gc remove. */
	if (errno)
		return err_sys(err, "list %s", path);
	if (*names)
		qsort(*names, strv_len(*names), sizeof(**names), str_order);
	return 0;
}

int prefix_is_lost(const struct deploy *d, struct err *err)
{
	static const char *const releases[] = { "generations", "store", NULL };
	static const char *const records[] = { "state/journal", "state/install.json", NULL };
	int there = prefix_look_any(d, releases, err);

	if (there <= 0)
		return there;
	there = prefix_look_any(d, records, err);
	return there < 0 ? -1 : !there;
}

int prefix_load(struct deploy *d, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(STATE_MAX);
	int there;

	installed_release(&d->in);
	there = d->state < 0 ? 0 : path_look(d->state, "install.json", err);
	if (there <= 0)
		return there < 0 ? err_wrap(err, "%s/state", d->prefix) : 0;
	if (file_read(d->state, "install.json", STATE_MAX, &text, err) == 0 &&
	    installed_parse(&d->in, buf_cstr(&text), text.len, err) == 0)
		return 0;
	err_wrap(err, "%s/state", d->prefix);
	/* It has a password (installed_mode()). */
	if (err->code == E_PERMISSION)
		err_hint(err, "use sudo");
	/* This program writes nothing above a limit, so it is damaged. */
	if (err->code == E_LIMIT)
		err->code = E_INVALID;
	if (err->code == E_INVALID)
		hint_recover(err);
	return -1;
}

/* Opens a directory that this process has just made. */
static int open_made(int at, const char *path, int *fd, struct err *err)
{
	*fd = open_dir(at, path, err);
	if (*fd < 0)
		return err->code ? -1 : err_sys(err, "open %s", path);
	/* The umask may have cleared bits of MODE_EMPTY. */
	return fchmod(*fd, MODE_EMPTY) < 0 ? err_sys(err, "set the mode of %s", path) : 0;
}

static int make_dir(int at, const char *path, int *fd, bool *made, struct err *err)
{
	if (*fd >= 0)
		return 0;
	if (mkdirat(at, path, MODE_EMPTY) < 0) {
		path_sys(err, at, path, "make %s", path);
		return err->code == E_EXISTS
			       ? err_hint(err, "it is a symlink that leads to nothing; "
					       "make what it leads to, or remove it")
			       : -1;
	}
	*made = true;
	return open_made(at, path, fd, err);
}

/* Takes the last component off path; false: only the node's root is left. */
static bool go_up(const struct deploy *d, char *path)
{
	path[path_basename(path) - path - 1] = '\0';
	return strlen(path) > strlen(d->top);
}

/* Makes the missing directories above the prefix, the topmost first. */
static int make_parents(struct deploy *d, struct err *err)
{
	for (const char *slash = strchr(d->prefix + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		AUTO(str) char *path = xstrndup(d->prefix, (size_t)(slash - d->prefix));
		AUTO(fd) int fd = -1;

		if (mkdir(path, MODE_EMPTY) < 0) {
			if (errno == EEXIST)
				continue;
			return path_sys(err, AT_FDCWD, path, "make directory %s", path);
		}
		strv_push(&d->made_parents, path);
		if (open_made(AT_FDCWD, path, &fd, err) < 0)
			return -1;
	}
	return 0;
}

int prefix_make(struct deploy *d, struct err *err)
{
	if (d->access != DEPLOY_CHANGE)
		bug("a change of %s, which was opened to look", d->prefix);
	if (d->root < 0 && make_parents(d, err) < 0)
		return -1;
	if (make_dir(AT_FDCWD, d->prefix, &d->root, &d->made_prefix, err) < 0 ||
	    make_dir(d->root, "state", &d->state, &d->made_state, err) < 0)
		return -1;
	return 0;
}

int prefix_mark(const struct deploy *d, bool prefix, bool state, mode_t mode, struct err *err)
{
	bool sync = mode == MODE_EMPTY; /* before the journal, which also finds them, is removed */

	if ((state && (fchmod(d->state, mode) < 0 || (sync && fsync(d->state) < 0))) ||
	    (prefix && (fchmod(d->root, mode) < 0 || (sync && fsync(d->root) < 0))))
		return path_sys(err, AT_FDCWD, d->prefix, "set the mode of %s", d->prefix);
	return 0;
}

int prefix_empty_state(const struct deploy *d, struct err *err)
{
	int copy = openat(d->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir)
		return err_sys(err, "list state");
	for (struct dirent *e; (errno = 0, e = readdir(dir));) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    !str_eq(e->d_name, "journal") &&
		    path_remove_below(d->state, e->d_name, err) < 0)
			return -1;
	}
	return errno ? err_sys(err, "list state") : 0;
}

/* mkdir in a directory with the set-group-ID bit sets that bit too. */
static bool is_marked(const struct stat *st)
{
	return (st->st_mode & 07777 & ~(mode_t)S_ISGID) == MODE_EMPTY;
}

/* A power failure must not bring back a directory that was reported as removed. */
static int sync_above(int at, const char *path, struct err *err)
{
	AUTO(str) char *above = xstrndup(path, (size_t)(path_basename(path) - path));
	AUTO(fd)
	int dir = openat(at, *above ? above : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 || fsync(dir) < 0 ? err_sys(err, "sync the directory of %s", path) : 0;
}

/* Removes a directory with the mark; takes the mark away if the directory is not empty. */
static int drop_marked(int at, const char *path, int *fd, struct err *err)
{
	struct stat st;

	if (*fd < 0)
		return 0;
	if (fstat(*fd, &st) < 0)
		return err_sys(err, "look at %s", path);
	if (!is_marked(&st))
		return 0;
	if (unlinkat(at, path, AT_REMOVEDIR) == 0) {
		fd_close(fd);
		return sync_above(at, path, err);
	}
	if (errno != ENOTEMPTY && errno != EBUSY)
		return path_sys(err, at, path, "remove %s", path);
	return fchmod(*fd, MODE_SETTLED) < 0 ? err_sys(err, "set the mode of %s", path) : 0;
}

/* Opens a directory above the prefix: 1. Returns 0 if it is missing, or none of ours: a symlink, or
 * closed to this process. */
static int open_parent(const char *path, int *fd, struct stat *st, struct err *err)
{
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES))
		return 0;
	if (*fd < 0 || fstat(*fd, st) < 0)
		return err_sys(err, "open %s", path);
	return st->st_uid == geteuid();
}

/* Drops the directories above the prefix, the deepest first, up to one without the mark. */
static int drop_parents(const struct deploy *d, struct err *err)
{
	AUTO(str) char *path = xstrdup(d->prefix);

	while (go_up(d, path)) {
		AUTO(fd) int fd = -1;
		struct stat st;
		int ours = open_parent(path, &fd, &st, err);

		if (ours < 0)
			return -1;
		if (fd < 0 && !path_exists(path))
			continue;
		if (!ours || !is_marked(&st))
			return 0;
		if (drop_marked(AT_FDCWD, path, &fd, err) < 0)
			return -1;
	}
	return 0;
}

bool parent_is(const struct deploy *d, const char *path)
{
	return path_is_below(d->prefix, path) && !str_eq(d->prefix, path);
}

static int set_mode(int fd, const char *path, mode_t mode, struct err *err)
{
	return fchmod(fd, mode) < 0 || fsync(fd) < 0
		       ? path_sys(err, AT_FDCWD, path, "set the mode of %s", path)
		       : 0;
}

int parent_keep(const char *path, struct err *err)
{
	AUTO(fd) int fd = -1;
	struct stat st;
	int ours = open_parent(path, &fd, &st, err);

	return ours > 0 && is_marked(&st) ? set_mode(fd, path, MODE_SETTLED, err) : ours;
}

int dir_has_only(int fd, const char *path, const char *name, struct err *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e = NULL;

	if (!dir)
		return err_sys(err, "list %s", path);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") && !str_eq(e->d_name, name))
			return 0;
	}
	return errno ? err_sys(err, "list %s", path) : 1;
}

/* True if the directory name in fd goes too: it is marked, or it is the prefix. */
static bool goes(const struct deploy *d, int fd, const char *name, const char *path)
{
	AUTO(str) char *whole = path_join(path, name);
	struct stat st;

	return str_eq(whole, d->prefix) ||
	       (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_marked(&st));
}

/* A directory with files of others gets no mark: that would close it to its users, and the mode would
 * be lost. */
int parent_leave(const struct deploy *d, const char *path, struct err *err)
{
	const char *below = d->prefix + strlen(path) + 1;
	AUTO(str) char *name = xstrndup(below, strcspn(below, "/"));
	AUTO(fd) int fd = -1;
	struct stat st;
	int ours = open_parent(path, &fd, &st, err);

	if (ours > 0)
		ours = goes(d, fd, name, path) ? dir_has_only(fd, path, name, err) : 0;
	return ours > 0 ? set_mode(fd, path, MODE_EMPTY, err) : ours;
}

/* Without a journal the temporary files have no use. */
int prefix_settle(struct deploy *d, struct err *err)
{
	static const char *const loose[] = { "staging",           "state/kept",
					     "state/link.new",    "state/journal.new",
					     "state/reserve.new", "state/reserve.old" };

	for (size_t i = 0; i < ARRAY_LEN(loose); i++) {
		/* Checked first, since on a read-only file system even removing nothing fails. */
		int there = prefix_look(d, loose[i], err);

		if (there < 0 || (there && path_remove_below(d->root, loose[i], err) < 0))
			return -1;
	}
	if (drop_marked(d->root, "state", &d->state, err) < 0)
		return -1;
	return drop_marked(AT_FDCWD, d->prefix, &d->root, err) < 0 ? -1 : drop_parents(d, err);
}
