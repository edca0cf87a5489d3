// SPDX-License-Identifier: Apache-2.0
/* Each function enters the namespace on a thread of its own. */

#include "share/mountns.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/thread.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <unistd.h>

struct task {
	int ns, tree;
	const char *path;
	int made;
};

/* setns() to a mount namespace needs a thread that shares its root and working directory with no
 * other. */
static int enter(int ns, struct err *err)
{
	if (unshare(CLONE_FS) < 0 || setns(ns, CLONE_NEWNS) < 0)
		return err_sys(err, "enter the mount namespace of the share");
	return 0;
}

static int make(void *arg, struct err *err)
{
	struct task *t = arg;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, "separate the mount namespace from the host's");
	if (mount(t->path, t->path, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "make %s a mount of its own", t->path);
	if (mount_isolate(t->path, err) < 0)
		return -1;
	if (mount(NULL, t->path, NULL, MS_SHARED, NULL) < 0)
		return err_sys(err, "share the mounts below %s with virtiofsd", t->path);
	t->made = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return t->made < 0 ? err_sys(err, "open the mount namespace") : 0;
}

int mountns_make(const char *dir, struct err *err)
{
	struct task t = { .path = dir, .made = -1 };

	return thread_call(make, &t, err) < 0 ? -1 : t.made;
}

static int attach(void *arg, struct err *err)
{
	const struct task *t = arg;
	AUTO(fd) int at = -1;

	if (enter(t->ns, err) < 0)
		return -1;
	at = open(t->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return at < 0 ? err_sys(err, "open %s", t->path) : mount_move(at, t->tree, err);
}

int mountns_attach(int ns, int tree, const char *path, struct err *err)
{
	return thread_call(attach, &(struct task){ .ns = ns, .tree = tree, .path = path }, err);
}

static int detach(void *arg, struct err *err)
{
	const struct task *t = arg;

	return enter(t->ns, err) < 0 ? -1 : mount_detach_below(t->path, err);
}

int mountns_detach(int ns, const char *path, struct err *err)
{
	return thread_call(detach, &(struct task){ .ns = ns, .path = path }, err);
}

/* The mounts below an unneeded one go with it. */
static int drop(const char *target, struct err *err)
{
	if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(err, "detach %s", target);
	return 0;
}

static int narrow(void *arg, struct err *err)
{
	const struct task *t = arg;
	AUTO(mount_list) struct mount_list list = { NULL, 0 };

	if (enter(t->ns, err) < 0 || mount_list_read(&list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		const char *target = list.v[i].target;
		/* mount_list_read() needs /proc. */
		bool needed = path_is_below(t->path, target) || str_eq(target, "/proc");

		if (path_is_below(target, t->path))
			continue;
		if (!needed && drop(target, err) < 0)
			return -1;
		if (needed && mount(NULL, target, NULL, MS_PRIVATE, NULL) < 0)
			return err_sys(err, "separate %s from the host's", target);
	}
	return 0;
}

int mountns_narrow(int ns, const char *dir, struct err *err)
{
	return thread_call(narrow, &(struct task){ .ns = ns, .path = dir }, err);
}
