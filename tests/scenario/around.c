// SPDX-License-Identifier: Apache-2.0

#include "tests/scenario/around.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

enum { CHATTR_MS = 60000 };

/* What chattr +i and -i do. */
static int pin(int fd, bool on)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -1;
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* By the end, what was pinned may have another name. */
void around_release(struct around *a)
{
	struct spawn loosen = { .argv = ARGV("chattr", "-R", "-f", "-i", a->pinned) };
	struct err ignored = ERR_INIT;

	for (size_t i = strv_len(a->mounts); i-- > 0;)
		(void)umount2(a->mounts[i], MNT_DETACH);
	strv_free(a->mounts);
	if (a->pinned)
		(void)!spawn_run(&loosen, NULL, 0, NULL, deadline_in(CHATTR_MS), &ignored);
	free(a->pinned);
	fd_close(&a->lock);
	if (a->web.port)
		web_stop(&a->web);
	deaf_stop(&a->deaf);
}

char *around_url(const struct around *a, const char *name)
{
	int port = str_eq(name, "web")      ? a->web.port
		   : str_eq(name, "deaf")   ? a->deaf.port
		   : str_eq(name, "closed") ? a->closed
					    : 0;

	return port ? str_fmt("http://127.0.0.1:%d", port) : NULL;
}

unsigned around_asked(const struct around *a, const char *path)
{
	unsigned all = a->web.port ? web_count(&a->web) : 0, n = 0;

	for (unsigned i = all > WEB_KEPT ? all - WEB_KEPT : 0; i < all; i++)
		n += str_starts(web_request(&a->web, i)->path, path);
	return n;
}

static int mounted(struct around *a, const char *path, int rc, struct err *err)
{
	if (rc < 0)
		return err_sys(err, "mount %s", path);
	strv_push(&a->mounts, path);
	return 0;
}

static int mount_over(struct around *a, const char *what, const char *path, struct err *err)
{
	return mounted(a, path, mount(what, path, NULL, MS_BIND, NULL), err);
}

/* A step of a scenario: path is absolute, dir is the scenario's own directory. */
struct add {
	struct around *a;
	const char *dir, *path;
	const struct json *step;
};

static const char *text(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);

	return v && json_kind(v) == JSON_IS_STRING ? json_text(v) : NULL;
}

static int add_mount(const struct add *w, struct err *err)
{
	if (path_make(w->path, 0755, err) < 0)
		return -1;
	return mounted(w->a, w->path, mount("none", w->path, "tmpfs", 0, text(w->step, "options")),
		       err);
}

static int add_read_only(const struct add *w, struct err *err)
{
	if (mount_over(w->a, w->path, w->path, err) < 0)
		return -1;
	return mount(NULL, w->path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0
		       ? err_sys(err, "make %s read-only", w->path)
		       : 0;
}

static int add_hide(const struct add *w, struct err *err)
{
	return path_exists(w->path) ? mount_over(w->a, "/dev/null", w->path, err) : 0;
}

static int add_lock(const struct add *w, struct err *err)
{
	fd_close(&w->a->lock);
	w->a->lock = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return w->a->lock < 0 || flock(w->a->lock, LOCK_EX | LOCK_NB) < 0
		       ? err_sys(err, "lock %s", w->path)
		       : 0;
}

/* Until nothing more fits. */
static int add_fill(const struct add *w, struct err *err)
{
	static const char zeros[4096];
	AUTO(fd) int fd = open(w->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	while (fd >= 0 && write(fd, zeros, sizeof(zeros)) > 0)
		;
	return errno == ENOSPC ? 0 : err_sys(err, "fill %s", w->path);
}

static int add_serve(const struct add *w, struct err *err)
{
	(void)err;
	web_start(&w->a->web, w->path);
	deaf_start(&w->a->deaf);
	w->a->closed = web_free_port();
	return 0;
}

static int make_immutable(const struct add *w, bool on, struct err *err)
{
	AUTO(fd) int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", w->path);
	str_set(&w->a->pinned, w->dir);
	if (pin(fd, on) == 0)
		return 0;
	w->a->lacks = errno == ENOTTY || errno == EOPNOTSUPP;
	return err_sys(err, "change the attributes of %s", w->path);
}

static int add_pin(const struct add *w, struct err *err)
{
	return make_immutable(w, true, err);
}

static int add_unpin(const struct add *w, struct err *err)
{
	return make_immutable(w, false, err);
}

static const struct {
	const char *name;
	int (*add)(const struct add *w, struct err *err);
} kinds[] = {
	{ "mount", add_mount }, { "read-only", add_read_only }, { "hide", add_hide },
	{ "lock", add_lock },   { "fill", add_fill },           { "serve", add_serve },
	{ "pin", add_pin },     { "unpin", add_unpin },
};

int around_add(struct around *a, const char *dir, const struct json *step, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *path = text(step, kinds[i].name);

		if (!path)
			continue;
		AUTO(str) char *full = *path == '/' ? xstrdup(path) : path_join(dir, path);
		const struct add w = { a, dir, full, step };
		return kinds[i].add(&w, err) < 0 ? -1 : 1;
	}
	return 0;
}
