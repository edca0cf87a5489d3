// SPDX-License-Identifier: Apache-2.0
/*
 * The container's file system. Every name inside the root is resolved beneath its fd and mounted on
 * through /proc/self/fd, so that a link planted in the image leads nowhere else.
 */

#include "container/container-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The only places in procfs that something may be put over (they show numbers, they obey nothing).
 */
static const char *const proc_allowed[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",
					    "/proc/stat",    "/proc/swaps",     "/proc/uptime",
					    "/proc/loadavg", "/proc/net/dev",   NULL };

struct place {
	int root;
	const char *dest; /* clean, absolute */
};

static int open_place(void *arg, struct err *err)
{
	const struct place *p = arg;

	return path_open(p->root, p->dest, PATH_IN_ROOT, O_PATH, 0, err);
}

static bool is_type(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == magic;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes the place that a mount needs, a directory or an empty file, and opens it. */
static int make_place(const struct place *p, bool directory, struct err *err)
{
	struct err missing = ERR_INIT;
	const char *name;
	int fd = path_open(p->root, p->dest, PATH_IN_ROOT, O_PATH, 0, &missing);

	if (fd >= 0)
		return fd;
	if (missing.code != E_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	if (directory)
		return path_mkdirs(p->root, p->dest, PATH_IN_ROOT, 0755, err);
	AUTO(fd) int parent = path_parent(p->root, p->dest, PATH_IN_ROOT, 0755, &name, err);
	if (parent < 0)
		return -1;
	AUTO(fd) int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (made < 0)
		return err_sys(err, "make the mount point %s", p->dest);
	return open_place((void *)p, err);
}

/* True if the fd is where dest says, and not where a link in the image leads. */
static bool is_literal(const struct place *p, int fd)
{
	AUTO(str) char *root = fd_path(p->root);
	AUTO(str) char *at = fd_path(fd);
	AUTO(str) char *expect = root ? path_join(root, p->dest) : NULL;

	return at && expect && strcmp(at, expect) == 0;
}

static int check_place(const struct place *p, int fd, const char *type, struct err *err)
{
	bool kernel = str_eq(type, "proc") || str_eq(type, "sysfs");

	if (kernel && (!is_directory(fd) || !is_literal(p, fd)))
		return err_set(err, E_INVALID,
			       "%s: %s must be mounted on a real directory, not through a link",
			       p->dest, type);
	if (!kernel && is_type(fd, PROC_SUPER_MAGIC)) {
		if (!is_literal(p, fd) || !strv_has((char *const *)proc_allowed, p->dest))
			return err_set(err, E_INVALID, "%s: nothing may be mounted inside /proc",
				       p->dest);
	}
	return 0;
}

static int source_is_directory(const struct oci_mount *m, bool *directory, struct err *err)
{
	struct stat st;

	if (str_empty(m->source) || stat(m->source, &st) < 0)
		return err_sys(err, "bind source %s", m->source ? m->source : "");
	*directory = S_ISDIR(st.st_mode);
	return 0;
}

static int mount_one(const struct oci_mount *m, int root, struct err *err)
{
	AUTO(mount_options) struct mount_options o = { .flags = 0 };
	AUTO(str) char *dest = path_clean(m->destination ? m->destination : "");
	const char *type = str_eq(m->type, "cgroup") ? "cgroup2" : m->type;
	struct place place = { root, dest };
	bool directory = true;

	if (dest[0] != '/' || str_eq(dest, "/"))
		return err_set(err, E_INVALID,
			       "mount destination '%s' is not an absolute path "
			       "below /",
			       m->destination ? m->destination : "");
	if (mount_options_parse(m->options, &o, err) < 0)
		return -1;
	if (str_eq(type, "bind"))
		o.flags |= MS_BIND;
	if (o.flags & MS_BIND) {
		if (source_is_directory(m, &directory, err) < 0)
			return -1;
	} else if (str_empty(type)) {
		return err_set(err, E_INVALID, "mount %s has no type", dest);
	}
	AUTO(fd) int fd = make_place(&place, directory, err);
	if (fd < 0 || check_place(&place, fd, type, err) < 0)
		return -1;
	struct path_fd at = path_of_fd(fd);
	struct mount_target target = { at.path, open_place, &place };
	return mount_apply(m->source, &target, type, &o, err);
}

static int propagation_of(const char *name, unsigned long *flags, struct err *err)
{
	static const struct {
		const char *name;
		unsigned long flags;
	} known[] = { { "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
		      { "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
		      { "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
		      { "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i].name, name)) {
			*flags = known[i].flags;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown rootfsPropagation '%s'", name);
}

int rootfs_prepare(const struct oci_spec *spec, int *root, struct err *err)
{
	/* Nothing that is mounted here may reach the outside; what is mounted outside may come in.
	 */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, "make mounts one-way");
	if (mount(spec->root_path, spec->root_path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "root file system %s", spec->root_path);
	AUTO(fd) int fd = open(spec->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open root file system %s", spec->root_path);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (mount_one(&spec->mounts[i], fd, err) < 0)
			return err_wrap(err, "mount %s",
					spec->mounts[i].destination ? spec->mounts[i].destination
								    : "(no destination)");
	}
	if (device_nodes(spec, fd, err) < 0)
		return -1;
	*root = STEAL(fd, -1);
	return 0;
}

/* -------------------------------------------------------------------------------- masks and
 * read-only */

static int open_null(struct err *err)
{
	AUTO(fd) int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(err, E_STATE, "/dev/null is not the null device");
	return STEAL(fd, -1);
}

static int mask(int root, const char *path, int null, struct err *err)
{
	struct err missing = ERR_INIT;
	AUTO(fd) int fd = path_open(root, path, PATH_IN_ROOT, O_PATH, 0, &missing);
	int rc;

	if (fd < 0)
		return 0; /* nothing there to hide */
	if (is_directory(fd))
		rc = mount("tmpfs", path_of_fd(fd).path, "tmpfs",
			   MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k,nr_inodes=1");
	else
		rc = mount(path_of_fd(null).path, path_of_fd(fd).path, NULL, MS_BIND, NULL);
	return rc < 0 ? err_sys(err, "mask %s", path) : 0;
}

/* The flags that a mount has already: a remount has to repeat them. */
static unsigned long present_flags(int fd)
{
	static const struct {
		unsigned long st, ms;
	} map[] = { { ST_NOSUID, MS_NOSUID },         { ST_NODEV, MS_NODEV },
		    { ST_NOEXEC, MS_NOEXEC },         { ST_NOATIME, MS_NOATIME },
		    { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME } };
	unsigned long flags = 0;
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		flags |= fs.f_flag & map[i].st ? map[i].ms : 0;
	return flags;
}

static int remount_readonly(int fd, const char *shown, struct err *err)
{
	if (mount(NULL, path_of_fd(fd).path, NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | present_flags(fd), NULL) < 0)
		return err_sys(err, "make %s read-only", shown);
	return 0;
}

static int make_readonly(int root, const char *path, struct err *err)
{
	struct place place = { root, path };
	struct err missing = ERR_INIT;
	AUTO(fd) int fd = open_place(&place, &missing);

	if (fd < 0)
		return 0;
	if (mount(path_of_fd(fd).path, path_of_fd(fd).path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "make %s read-only", path);
	AUTO(fd) int top = open_place(&place, err);
	return top < 0 ? -1 : remount_readonly(top, path, err);
}

int rootfs_finish(const struct oci_spec *spec, int root, struct err *err)
{
	const struct oci_linux *l = &spec->linux_;
	unsigned long propagation = 0;
	AUTO(fd) int null = open_null(err);

	if (null < 0)
		return -1;
	strv_each(path, l->readonly_paths) {
		if (make_readonly(root, *path, err) < 0)
			return -1;
	}
	strv_each(path, l->masked_paths) {
		if (mask(root, *path, null, err) < 0)
			return -1;
	}
	if (!str_empty(l->rootfs_propagation)) {
		if (propagation_of(l->rootfs_propagation, &propagation, err) < 0)
			return -1;
		if (mount(NULL, path_of_fd(root).path, NULL, propagation, NULL) < 0)
			return err_sys(err, "rootfsPropagation %s", l->rootfs_propagation);
	}
	return spec->root_readonly ? remount_readonly(root, "/", err) : 0;
}

int rootfs_enter(int root, struct err *err)
{
	if (fchdir(root) < 0)
		return err_sys(err, "enter the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		err_sys(err, "pivot_root");
		return err_hint(err, "the runtime's own root must be a mount that can be moved, "
				     "not the initial ramfs");
	}
	/* The old root is stacked on ".": this takes it away. */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "leave the old root");
	return 0;
}
