// SPDX-License-Identifier: Apache-2.0
/*
 * Copies watched volumes. The kubelet replaces the contents of a volume by a new directory and one
 * rename of a symbolic link ("..data"). So directories and files are copied first, then links, and
 * what has disappeared is removed last: readers always see complete files.
 */

#include "agent/storage/watcher.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_MS = 2000, DEPTH_MAX = 8, TRIES = 10, TRY_MS = 50 };

/* The link that the kubelet renames. */
#define DATA_LINK "..data"

struct limits {
	unsigned files, entries;
	uint64_t bytes;
};
/* The limits for a volume to be watched, and those for later copies, when it is too late for a bind
 * mount. The latter are higher also because during an update old and new contents are both
 * there. */
static const struct limits at_first = { 256, 1024, 1 << 20 };
static const struct limits later = { 4096, 16384, 6 << 20 };
#define TMPFS_SIZE "16m"

struct copy {
	const struct limits *most;
	unsigned files, entries;
	uint64_t bytes;
};

struct watched {
	struct loop *loop;
	char *source, *target;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards list and scanning */
static VEC(struct watched) list;
static bool scanning;       /* a thread copies */
static struct watch *timer; /* loop */

/* --- one copy --- */

static DIR *open_folder(int parent, const char *name, struct err *err)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		err_sys(err, "open folder %s", name);
	return dir;
}

static int count(struct copy *c, const struct stat *st, struct err *err)
{
	c->entries++;
	if (S_ISREG(st->st_mode)) {
		c->files++;
		c->bytes += (uint64_t)st->st_size;
	}
	if (c->files > c->most->files || c->bytes > c->most->bytes || c->entries > c->most->entries)
		return err_set(err, E_LIMIT, "more than %u files or %llu bytes", c->most->files,
			       (unsigned long long)c->most->bytes);
	return 0;
}

static bool same_file(int to, const char *name, const struct stat *from)
{
	struct stat st;

	return fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == from->st_size && st.st_mode == from->st_mode &&
	       st.st_mtim.tv_sec == from->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == from->st_mtim.tv_nsec;
}

static int copy_file(const struct copy *c, int from, int to, const char *name,
		     const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	AUTO(buf) struct buf data = BUF_INIT(c->most->bytes);

	if (same_file(to, name, st))
		return 0;
	if (file_read(from, name, c->most->bytes, &data, err) < 0 ||
	    file_replace_volatile(to, name, data.data, data.len, st->st_mode & 07777, err) < 0)
		return -1;
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "set owner and times of %s", name);
	return 0;
}

static int copy_link(int from, int to, const char *name, struct err *err)
{
	char want[PATH_MAX], has[PATH_MAX];
	ssize_t n = readlinkat(from, name, want, sizeof(want) - 1);
	ssize_t m = readlinkat(to, name, has, sizeof(has) - 1);

	if (n < 0)
		return err_sys(err, "read link %s", name);
	want[n] = '\0';
	if (n == m && memcmp(want, has, (size_t)n) == 0)
		return 0;
	if (unlinkat(to, "..kata-link", 0) < 0 && errno != ENOENT)
		return err_sys(err, "clear an old link");
	if (symlinkat(want, to, "..kata-link") < 0 || renameat(to, "..kata-link", to, name) < 0)
		return err_sys(err, "make link %s", name);
	return 0;
}

static int copy_folder(struct copy *c, int from, int to, int depth, struct err *err);

static int copy_subfolder(struct copy *c, int from, int to, const char *name, const struct stat *st,
			  int depth, struct err *err)
{
	AUTO(dir) DIR *source = open_folder(from, name, err);
	AUTO(dir) DIR *target = NULL;

	if (!source)
		return -1;
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make folder %s", name);
	target = open_folder(to, name, err);
	if (!target)
		return -1;
	if (fchown(dirfd(target), st->st_uid, st->st_gid) < 0 ||
	    fchmod(dirfd(target), st->st_mode & 07777) < 0)
		return err_sys(err, "set owner and mode of %s", name);
	return copy_folder(c, dirfd(source), dirfd(target), depth + 1, err);
}

/* One pass over from: either directories and files, or links. */
static int copy_pass(struct copy *c, int from, int to, bool links, int depth, struct err *err)
{
	AUTO(dir) DIR *dir = open_folder(from, ".", err);
	struct stat st;

	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		int result = 0;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, "look at %s", e->d_name);
		if (S_ISLNK(st.st_mode) != links)
			continue;
		if (count(c, &st, err) < 0)
			return -1;
		if (links)
			result = copy_link(from, to, e->d_name, err);
		else if (S_ISDIR(st.st_mode))
			result = copy_subfolder(c, from, to, e->d_name, &st, depth, err);
		else if (S_ISREG(st.st_mode))
			result = copy_file(c, from, to, e->d_name, &st, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* Removes from the copy what the source no longer has. Relative to fds, not by path: the container
 * may replace directories meanwhile. */
static int remove_gone(int from, int to, struct err *err)
{
	AUTO(dir) DIR *dir = open_folder(to, ".", err);
	struct stat st;

	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
		    path_remove_below(to, e->d_name, err) < 0)
			return -1;
	}
	return 0;
}

static int copy_folder(struct copy *c, int from, int to, int depth, struct err *err)
{
	if (depth > DEPTH_MAX)
		return err_set(err, E_LIMIT, "more than %d folders deep", DEPTH_MAX);
	if (copy_pass(c, from, to, false, depth, err) < 0 ||
	    copy_pass(c, from, to, true, depth, err) < 0)
		return -1;
	return remove_gone(from, to, err);
}

/* A single file can be watched too: it is copied into the target's directory. */
static int sync_file(const char *source, const char *target, const struct stat *st,
		     const struct limits *most, struct err *err)
{
	AUTO(buf) struct buf data = BUF_INIT(most->bytes);
	AUTO(fd) int fd = -1;

	if ((uint64_t)st->st_size > most->bytes)
		return err_set(err, E_LIMIT, "more than %llu bytes",
			       (unsigned long long)most->bytes);
	if (same_file(AT_FDCWD, target, st))
		return 0;
	if (file_read(AT_FDCWD, source, most->bytes, &data, err) < 0)
		return -1;
	/* In place: the container has a bind mount of this inode. */
	fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "open %s", target);
	if (fd_write_all(fd, data.data, data.len, err) < 0)
		return -1;
	if (fchmod(fd, st->st_mode & 07777) < 0 || fchown(fd, st->st_uid, st->st_gid) < 0 ||
	    futimens(fd, (struct timespec[]){ st->st_atim, st->st_mtim }) < 0)
		return err_sys(err, "set owner and times of %s", target);
	return 0;
}

/* True if "..data" leads to the same target in both directories, or neither has it. */
static bool same_data(int a, int b)
{
	char one[PATH_MAX], other[PATH_MAX];
	ssize_t n = readlinkat(a, DATA_LINK, one, sizeof(one));
	ssize_t m = readlinkat(b, DATA_LINK, other, sizeof(other));

	return n == m && (n < 0 || memcmp(one, other, (size_t)n) == 0);
}

/* If the kubelet replaces the contents during the copy, the copy may be mixed, or fail halfway:
 * then it is made again. */
static int sync_folder(int from, int to, const struct limits *most, struct err *err)
{
	for (int i = 0;; i++) {
		struct copy c = { .most = most };

		if (copy_folder(&c, from, to, 0, err) == 0) {
			if (same_data(from, to) || i == TRIES)
				return 0;
		} else if (err->code != E_NOT_FOUND || i == TRIES) {
			return -1;
		}
		err_clear(err);
		(void)nanosleep(&(struct timespec){ .tv_nsec = TRY_MS * 1000000L }, NULL);
	}
}

static int sync_volume(const char *source, const char *target, const struct limits *most,
		       struct err *err)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return err_sys(err, "source %s", source);
	if (S_ISREG(st.st_mode))
		return sync_file(source, target, &st, most, err);
	if (path_make(target, 0755, err) < 0)
		return -1;
	AUTO(fd) int from = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_sys(err, "open %s", from < 0 ? source : target);
	if (fchmod(to, st.st_mode & 07777) < 0 || fchown(to, st.st_uid, st.st_gid) < 0)
		return err_sys(err, "set owner and mode of %s", target);
	return sync_folder(from, to, most, err);
}

int watcher_sync(const char *source, const char *target, struct err *err)
{
	return sync_volume(source, target, &at_first, err);
}

/* --- the rounds --- */

/* True for a kubelet's volume whose copy is current: those change by "..data" alone, so its files
 * need not be compared. */
static bool is_current(const struct watched *w)
{
	AUTO(fd) int from = open(w->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int to = open(w->target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char one;

	return from >= 0 && to >= 0 && readlinkat(to, DATA_LINK, &one, 1) > 0 &&
	       same_data(from, to);
}

/* A round of copying, on a thread of its own: the share may be slow, and the loop must not
 * block. */
static void *scan(void *arg)
{
	struct err err = ERR_INIT;

	(void)arg;
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < list.n; i++) {
		if (is_current(&list.v[i]) ||
		    sync_volume(list.v[i].source, list.v[i].target, &later, &err) == 0)
			continue;
		log_err(LOG_WARN, &err, "a watched volume was not copied",
			LOG_S("source", list.v[i].source));
		err_clear(&err);
	}
	scanning = false;
	(void)pthread_mutex_unlock(&lock);
	return NULL;
}

static void on_timer(void *arg)
{
	struct err err = ERR_INIT;

	(void)arg;
	/* If the lock is held, by a round, watcher_add() or watcher_remove(), skip this period. */
	if (pthread_mutex_trylock(&lock) != 0)
		return;
	if (!scanning && list.n)
		scanning = thread_detach(scan, NULL, 0, &err) == 0; /* else in the next period */
	(void)pthread_mutex_unlock(&lock);
}

static void start_timer(void *arg)
{
	if (!timer)
		timer = loop_timer(arg, PERIOD_MS, true, on_timer, NULL);
}

static int bind_instead(const char *source, const char *target, struct err *err)
{
	if (path_make(target, 0755, err) < 0)
		return -1;
	if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "bind %s on %s", source, target);
	return 0;
}

/* Mounts a tmpfs for the copy of a directory; for that of a file makes the parent directory. */
static int make_target(const char *source, const char *target, bool *mounted, struct err *err)
{
	AUTO(str) char *parent = NULL;
	struct stat st;

	if (stat(source, &st) < 0)
		return err_sys(err, "source %s", source);
	if (!S_ISDIR(st.st_mode)) {
		parent = xstrndup(target, (size_t)(path_basename(target) - target));
		return path_make(parent, 0755, err);
	}
	if (path_make(target, 0755, err) < 0)
		return -1;
	if (mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=" TMPFS_SIZE) < 0)
		return err_sys(err, "mount %s", target);
	*mounted = true;
	return 0;
}

int watcher_add(struct loop *loop, const char *source, const char *target, bool *mounted,
		struct err *err)
{
	struct err limit = ERR_INIT;
	int result;

	*mounted = false;
	if (make_target(source, target, mounted, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&lock);
	result = watcher_sync(source, target, &limit);
	if (result == 0) {
		struct watched w = { loop, xstrdup(source), xstrdup(target) };

		vec_push(&list, w);
	}
	(void)pthread_mutex_unlock(&lock);
	if (result == 0) {
		loop_post(loop, start_timer, loop);
		return 0;
	}
	if (*mounted)
		(void)umount2(target, MNT_DETACH);
	*mounted = limit.code == E_LIMIT;
	if (limit.code != E_LIMIT) {
		*err = limit;
		return -1;
	}
	log_err(LOG_INFO, &limit, "volume is bind-mounted, not watched", LOG_S("source", source));
	return bind_instead(source, target, err);
}

bool watcher_remove(const char *target)
{
	bool found = false;

	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < list.n && !found; i++) {
		if (!str_eq(list.v[i].target, target))
			continue;
		free(list.v[i].source);
		free(list.v[i].target);
		vec_remove(&list, i);
		found = true;
	}
	(void)pthread_mutex_unlock(&lock);
	return found;
}

void watcher_stop(void)
{
	watch_remove(timer);
	timer = NULL;
	(void)pthread_mutex_lock(&lock);
	while (scanning) { /* a round holds the lock only while it copies */
		(void)pthread_mutex_unlock(&lock);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		(void)pthread_mutex_lock(&lock);
	}
	vec_each(struct watched, w, &list) {
		free(w->source);
		free(w->target);
	}
	vec_release(&list);
	(void)pthread_mutex_unlock(&lock);
}
