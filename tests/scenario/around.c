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

static int serve(struct around *a, const char *path)
{
	web_start(&a->web, path);
	deaf_start(&a->deaf);
	a->closed = web_free_port();
	return 0;
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

static int mount_small(struct around *a, const char *path, const char *options, struct err *err)
{
	if (path_make(path, 0755, err) < 0)
		return -1;
	return mounted(a, path, mount("none", path, "tmpfs", 0, options), err);
}

static int mount_over(struct around *a, const char *what, const char *path, struct err *err)
{
	return mounted(a, path, mount(what, path, NULL, MS_BIND, NULL), err);
}

static int make_read_only(struct around *a, const char *path, struct err *err)
{
	if (mount_over(a, path, path, err) < 0)
		return -1;
	return mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0
		       ? err_sys(err, "make %s read-only", path)
		       : 0;
}

static int hold(struct around *a, const char *path, struct err *err)
{
	fd_close(&a->lock);
	a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return a->lock < 0 || flock(a->lock, LOCK_EX | LOCK_NB) < 0 ? err_sys(err, "lock %s", path)
								    : 0;
}

static int make_immutable(struct around *a, const char *dir, const char *path, bool on,
			  struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", path);
	str_set(&a->pinned, dir);
	if (pin(fd, on) == 0)
		return 0;
	a->lacks = errno == ENOTTY || errno == EOPNOTSUPP;
	return err_sys(err, "change the attributes of %s", path);
}

/* Until nothing more fits. */
static int fill(const char *path, struct err *err)
{
	static const char zeros[4096];
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	while (fd >= 0 && write(fd, zeros, sizeof(zeros)) > 0)
		;
	return errno == ENOSPC ? 0 : err_sys(err, "fill %s", path);
}

static const char *text(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);

	return v && json_kind(v) == JSON_IS_STRING ? json_text(v) : NULL;
}

int around_add(struct around *a, const char *dir, const struct json *step, struct err *err)
{
	static const char *const kinds[] = { "mount", "read-only", "hide", "lock",
					     "fill",  "serve",     "pin",  "unpin" };
	const char *path = NULL;
	size_t kind = 0;
	int rc;

	while (kind < ARRAY_LEN(kinds) && !(path = text(step, kinds[kind])))
		kind++;
	if (!path)
		return 0;
	AUTO(str) char *full = *path == '/' ? xstrdup(path) : path_join(dir, path);
	if (kind == 0)
		rc = mount_small(a, full, text(step, "options"), err);
	else if (kind == 1)
		rc = make_read_only(a, full, err);
	else if (kind == 2)
		rc = path_exists(full) ? mount_over(a, "/dev/null", full, err) : 0;
	else if (kind == 3)
		rc = hold(a, full, err);
	else
		rc = kind == 4   ? fill(full, err)
		     : kind == 5 ? serve(a, full)
				 : make_immutable(a, dir, full, kind == 6, err);
	return rc < 0 ? -1 : 1;
}
