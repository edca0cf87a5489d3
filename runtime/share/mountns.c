// SPDX-License-Identifier: Apache-2.0
/* Each function enters the namespace on a thread of its own. */

#include "share/mountns.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/thread.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

struct task {
	const struct mountns *m;
	const char *path;
	int tree;
};

/* The directory of a path with a slash, heap. */
static char *parent_of(const char *path)
{
	return xstrndup(path, (size_t)(path_basename(path) - path) - 1);
}

/* --- making --- */

/* Two mounts: dir, whose peer group virtiofsd's namespace follows, below its directory, which is
 * private, as pivot_root(2) wants it. */
static int mount_top(const char *dir, struct err *err)
{
	AUTO(str) char *parent = parent_of(dir);
	const char *const paths[] = { parent, dir };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (mount(paths[i], paths[i], NULL, MS_BIND, NULL) < 0)
			return err_sys(err, "make %s a mount of its own", paths[i]);
		if (mount_isolate(paths[i], err) < 0)
			return -1;
	}
	if (mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
		return err_sys(err, "share the mounts below %s with virtiofsd", dir);
	return 0;
}

struct making {
	struct mountns *out;
	const char *dir;
};

static int make(void *arg, struct err *err)
{
	struct making *t = arg;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, "separate the mount namespace from the host's");
	if (mount_top(t->dir, err) < 0)
		return -1;
	t->out->top = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	t->out->ns = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return t->out->top < 0 || t->out->ns < 0 ? err_sys(err, "open the mount namespace") : 0;
}

int mountns_make(struct mountns *m, const char *dir, struct err *err)
{
	if (thread_call(make, &(struct making){ m, dir }, err) == 0)
		return 0;
	mountns_release(m);
	return -1;
}

void mountns_release(struct mountns *m)
{
	fd_close(&m->ns);
	fd_close(&m->top);
}

/* --- changing --- */

/* setns() to a mount namespace needs a thread that shares its root and working directory with no
 * other. */
static int enter(const struct mountns *m, struct err *err)
{
	if (unshare(CLONE_FS) < 0 || setns(m->ns, CLONE_NEWNS) < 0)
		return err_sys(err, "enter the mount namespace of the share");
	return 0;
}

static int attach(void *arg, struct err *err)
{
	const struct task *t = arg;
	AUTO(fd) int at = path_open(t->m->top, t->path, PATH_NO_LINKS, O_PATH, 0, err);

	return at < 0 || enter(t->m, err) < 0 ? -1 : mount_move(at, t->tree, err);
}

int mountns_attach(const struct mountns *m, int tree, const char *path, struct err *err)
{
	return thread_call(attach, &(struct task){ m, path, tree }, err);
}

static int detach(void *arg, struct err *err)
{
	const struct task *t = arg;
	const char *name = path_basename(t->path);
	AUTO(str) char *parent = name == t->path ? xstrdup(".") : parent_of(t->path);
	AUTO(fd)
	int dir = path_open(t->m->top, parent, PATH_NO_LINKS, O_PATH | O_DIRECTORY, 0, err);

	if (dir < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (enter(t->m, err) < 0)
		return -1;
	if (fchdir(dir) < 0)
		return err_sys(err, "enter %s", parent);
	if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(err, "detach %s", t->path);
	return 0;
}

int mountns_detach(const struct mountns *m, const char *path, struct err *err)
{
	return thread_call(detach, &(struct task){ m, path, -1 }, err);
}

static int narrow(void *arg, struct err *err)
{
	const struct task *t = arg;
	AUTO(str) char *parent = parent_of(t->path);

	if (enter(t->m, err) < 0)
		return -1;
	/* The old root ends up on the new one, and goes with all that is below it. */
	if (chdir(parent) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "make %s the root of the mount namespace", parent);
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, "detach the host's mounts");
	return 0;
}

int mountns_narrow(const struct mountns *m, const char *dir, struct err *err)
{
	return thread_call(narrow, &(struct task){ m, dir, -1 }, err);
}
