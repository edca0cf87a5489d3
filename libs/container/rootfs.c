// SPDX-License-Identifier: Apache-2.0
/*
 * The container's file system. Everything happens beneath root_fd before pivot_root, while our own
 * /proc and /dev are visible: a path inside the root is never followed by name, and whatever is
 * masked or made read-only is checked first.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/namespace.h"
#include "container/wire.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* rootfsPropagation as a flag; the default is slave. */
static int root_propagation(const struct init *in, unsigned long *flag, struct err *err)
{
	const char *name = in->spec->linux_.rootfs_propagation;
	char *option[] = { (char *)(str_empty(name) ? "rslave" : name), NULL };
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;

	if (mount_options_parse(option, &o, err) < 0)
		return -1;
	if (!o.propagation)
		return err_set(err, E_INVALID, "unknown rootfsPropagation '%s'", name);
	*flag = o.propagation | MS_REC;
	return 0;
}

/* pivot_root refuses a shared parent mount; and mounts made in the root must not propagate out.
 */
static int parent_private(const char *root, struct err *err)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	const char *best = "/";

	if (mount_list_read(&list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		if (path_is_below(root, list.v[i].target) &&
		    strlen(list.v[i].target) >= strlen(best))
			best = list.v[i].target;
	}
	if (mount(NULL, best, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(err, "make %s private", best);
	return 0;
}

static int root_open(struct init *in, struct err *err)
{
	struct mount_options o = { .flags = MS_BIND | MS_REC, .userns = -1 };
	AUTO(fd) int under = open(in->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned long propagation = 0;

	if (under < 0)
		return err_sys(err, "open root %s", in->root);
	if (root_propagation(in, &propagation, err) < 0)
		return -1;
	/* An unbindable root could not be cloned below: that flag is set last. */
	if (propagation & MS_UNBINDABLE)
		propagation = MS_PRIVATE | MS_REC;
	if (mount(NULL, "/", NULL, propagation, NULL) < 0)
		return err_sys(err, "set mount propagation");
	if (parent_private(in->root, err) < 0)
		return -1;
	if (mount_bind_fd(under, under, &o, err) < 0)
		return err_wrap(err, "bind root %s", in->root);
	/* in->root was resolved by our parent and has no links: opened again, it is the new
	 * mount. */
	in->root_fd = open(in->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return in->root_fd < 0 ? err_sys(err, "open root %s", in->root) : 0;
}

/* A directory can only be mounted on a directory, anything else only on a non-directory. Returns
 * the fd. */
static int kind_check(int *fd, const char *path, mode_t like, struct err *err)
{
	AUTO(fd) int target = STEAL(*fd, -1);
	struct stat st;

	if (fstat(target, &st) < 0)
		return err_sys(err, "look at %s", path);
	if (S_ISDIR(like) && !S_ISDIR(st.st_mode))
		return err_set(err, E_INVALID,
			       "%s is not a directory, but what is to be mounted on it is one",
			       path);
	if (!S_ISDIR(like) && S_ISDIR(st.st_mode))
		return err_set(
			err, E_INVALID,
			"%s is a directory, but what is to be mounted on it is not a directory",
			path);
	return STEAL(target, -1);
}

int rootfs_target(int root, const char *path, mode_t like, struct err *err)
{
	struct err missing = ERR_INIT; /* then it is made */
	int fd = path_open(root, path, PATH_IN_ROOT, O_PATH, 0, &missing);

	if (fd >= 0)
		return kind_check(&fd, path, like, err);
	if (missing.code != E_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	return S_ISDIR(like) ? path_mkdirs(root, path, PATH_IN_ROOT, 0755, err)
			     : path_mkfile(root, path, PATH_IN_ROOT, 0755, 0644, err);
}

int rootfs_plain_target(int root, const char *path, mode_t like, struct err *err)
{
	AUTO(fd) int fd = rootfs_target(root, path, like, err);
	struct statfs fs;

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, "look at %s", path);
	if (fs.f_type == PROC_SUPER_MAGIC)
		return err_set(err, E_INVALID, "%s leads into /proc", path);
	return STEAL(fd, -1);
}

/* Below /proc only these may be covered (lxcfs and the like do); any other mount there could deceive
 * or redirect processes that write to its /proc. */
static bool may_cover(const char *destination)
{
	static const char *const files[] = { "/proc/cpuinfo",
					     "/proc/diskstats",
					     "/proc/meminfo",
					     "/proc/stat",
					     "/proc/swaps",
					     "/proc/uptime",
					     "/proc/loadavg",
					     "/proc/slabinfo",
					     "/proc/net/dev",
					     "/proc/sys/crypto/fips_enabled",
					     NULL };

	return strv_has((char *const *)files, destination);
}

/* A proc or sysfs file system must be mounted at exactly its destination, not through a link. */
static int target_check(const struct init *in, const char *destination, const char *type, int fd,
			struct err *err)
{
	AUTO(str) char *path = fd_path(fd);
	AUTO(str) char *plain = path_join(in->root, destination);
	bool kernel_fs = str_eq(type, "proc") || str_eq(type, "sysfs");
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, "look at the target");
	if (kernel_fs && !str_eq(path, plain))
		return err_set(err, E_INVALID,
			       "the target of %s is reached through a symbolic link", type);
	if (fs.f_type != PROC_SUPER_MAGIC || (str_eq(type, "proc") && str_eq(path, plain)))
		return 0;
	if (str_eq(path, plain) && may_cover(destination))
		return 0;
	return err_set(err, E_INVALID, "the target leads into /proc");
}

/* A tmpfs without a mode= option takes the mode of the directory it covers. */
static void tmpfs_mode(struct mount_options *o, int target)
{
	struct stat st;

	strv_each(option, o->rest) {
		if (str_starts(*option, "mode="))
			return;
	}
	if (fstat(target, &st) < 0)
		return;
	strv_pushf(&o->rest, "mode=%o", st.st_mode & 07777);
	free(o->data);
	o->data = strv_join(o->rest, ",");
}

int rootfs_source(const struct init *in, const char *source, mode_t *like, struct err *err)
{
	AUTO(str)
	char *path = *source == '/' ? xstrdup(source) : path_join(in->bundle, source);
	AUTO(fd) int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s", path);
	*like = st.st_mode;
	return STEAL(fd, -1);
}

static int mount_finish_at(const struct init *in, const char *destination,
			   const struct mount_options *o, struct err *err)
{
	if (!mount_needs_finish(o))
		return 0;
	AUTO(fd) int top = path_open(in->root_fd, destination, PATH_IN_ROOT, O_PATH, 0, err);
	return top < 0 ? -1 : mount_finish(top, o, err);
}

int rootfs_seal_mount(int fd, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(err, "make it read-only");
	return 0;
}

static int copy_up(const struct init *in, const char *destination, int under,
		   const struct mount_options *o, struct err *err)
{
	AUTO(fd) int top = path_open(in->root_fd, destination, PATH_IN_ROOT, O_PATH, 0, err);

	if (top < 0 || rootfs_copy_up(under, top, err) < 0)
		return -1;
	return o->set & MOUNT_ATTR_RDONLY ? rootfs_seal_mount(top, err) : 0;
}

/* Moves a prepared mount to its target. */
static int place(const struct init *in, const char *destination, const char *type, int tree,
		 struct err *err)
{
	struct stat st;

	if (fstat(tree, &st) < 0)
		return err_sys(err, "look at the mount's source");
	AUTO(fd) int target = rootfs_target(in->root_fd, destination, st.st_mode, err);
	if (target < 0 || target_check(in, destination, type, target, err) < 0)
		return -1;
	return mount_move(target, tree, err);
}

bool rootfs_is_bind(const struct oci_mount *m, const struct mount_options *o)
{
	return str_eq(m->type, "bind") || (o->flags & (MS_BIND | MS_REMOUNT)) == MS_BIND;
}

static int mount_one(const struct init *in, const struct oci_mount *m, const char *destination,
		     struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(fd) int source = -1;
	bool bind;
	mode_t like = S_IFDIR;

	if (mount_options_parse(m->options, &o, err) < 0)
		return -1;
	if (o.tmpcopyup && !str_eq(m->type, "tmpfs"))
		return err_set(err, E_INVALID, "tmpcopyup of a mount that is not a tmpfs");
	bind = rootfs_is_bind(m, &o);
	if (bind) {
		o.flags |= MS_BIND;
		source = rootfs_source(in, m->source ? m->source : "", &like, err);
		if (source < 0)
			return -1;
	}
	AUTO(fd) int target = rootfs_target(in->root_fd, destination, like, err);
	if (target < 0 || target_check(in, destination, m->type, target, err) < 0)
		return -1;
	if (bind)
		return mount_bind_fd(target, source, &o, err);
	if (str_eq(m->type, "tmpfs"))
		tmpfs_mode(&o, target);
	/* The nodes of /dev are made first; rootfs_seal makes it read-only. */
	if (str_eq(destination, "/dev") || o.tmpcopyup)
		o.flags &= ~(unsigned long)MS_RDONLY;
	if (mount_attach(target, m->source, m->type, &o, err) < 0)
		return -1;
	if (o.tmpcopyup && copy_up(in, destination, target, &o, err) < 0)
		return -1;
	return mount_finish_at(in, destination, &o, err);
}

char *rootfs_destination(const struct oci_mount *m)
{
	AUTO(str) char *absolute = path_join("/", m->destination ? m->destination : "");

	return path_clean(absolute);
}

/* True if the destination is a file of proc that the guest's kernel, another than the node's, does
 * not have; none can be made there. */
static bool kernel_lacks(const struct init *in, const char *destination)
{
	struct err missing = ERR_INIT, ignored = ERR_INIT;
	struct statfs fs;

	if (!may_cover(destination))
		return false;
	AUTO(fd) int fd = path_open(in->root_fd, destination, PATH_IN_ROOT, O_PATH, 0, &missing);
	if (fd >= 0 || missing.code != E_NOT_FOUND)
		return false;
	AUTO(fd) int proc = path_open(in->root_fd, "/proc", PATH_IN_ROOT, O_PATH, 0, &ignored);
	return proc >= 0 && fstatfs(proc, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int mount_all(const struct init *in, struct err *err)
{
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		const struct oci_mount *m = &in->spec->mounts[i];
		AUTO(str) char *destination = rootfs_destination(m);
		int r;

		if (str_empty(m->destination))
			return err_set(err, E_INVALID, "mount %zu has no destination", i);
		if (str_eq(destination, "/"))
			return err_set(err, E_INVALID, "a mount over the root itself");
		if (kernel_lacks(in, destination)) {
			wire_note(in->sock, "mount left out: the kernel has no %s", destination);
			continue;
		}
		if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
			r = cgroup_mount(in, m, err);
		else if (in->trees[i] >= 0)
			r = place(in, destination, m->type, in->trees[i], err);
		else
			r = mount_one(in, m, destination, err);
		if (r < 0)
			return err_wrap(err, "mount %s", destination);
	}
	return 0;
}

int rootfs_build(struct init *in, struct err *err)
{
	if (root_open(in, err) < 0 || mount_all(in, err) < 0 || devices_make(in, err) < 0)
		return -1;
	if (in->spec->process->terminal)
		return terminal_open(in, in->root_fd, true, err);
	return 0;
}

static int mask_directory(int target, struct err *err)
{
	struct mount_options o = { .flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
				   .userns = -1,
				   .data = (char *)"size=0k,nr_inodes=2,mode=755" };

	return mount_attach(target, "tmpfs", "tmpfs", &o, err);
}

static int mask(const struct init *in, const char *path, int null, struct err *err)
{
	struct mount_options o = { .set = MOUNT_ATTR_RDONLY, .userns = -1 };
	struct err missing = ERR_INIT; /* a path that does not exist need not be masked */
	AUTO(fd) int target = path_open(in->root_fd, path, PATH_IN_ROOT, O_PATH, 0, &missing);
	struct stat st;

	if (target < 0)
		return missing.code == E_NOT_FOUND || missing.sys == ENOTDIR ? 0
									     : (*err = missing, -1);
	if (fstat(target, &st) < 0)
		return err_sys(err, "look at %s", path);
	return S_ISDIR(st.st_mode) ? mask_directory(target, err)
				   : mount_bind_fd(target, null, &o, err);
}

static int make_readonly(const struct init *in, const char *path, struct err *err)
{
	struct mount_options o = { .flags = MS_BIND | MS_REC,
				   .set = MOUNT_ATTR_RDONLY,
				   .userns = -1 };
	struct err missing = ERR_INIT; /* as with masks */
	AUTO(fd) int target = path_open(in->root_fd, path, PATH_IN_ROOT, O_PATH, 0, &missing);

	if (target < 0)
		return missing.code == E_NOT_FOUND || missing.sys == ENOTDIR ? 0
									     : (*err = missing, -1);
	return mount_bind_fd(target, target, &o, err);
}

int rootfs_dev(const struct init *in, struct rootfs_dev *out, struct err *err)
{
	*out = (struct rootfs_dev){ false, false };
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		const struct oci_mount *m = &in->spec->mounts[i];
		AUTO(str) char *destination = rootfs_destination(m);
		AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;

		if (!str_eq(destination, "/dev"))
			continue;
		if (mount_options_parse(m->options, &o, err) < 0)
			return -1;
		out->bound = rootfs_is_bind(m, &o);
		out->readonly = o.flags & MS_RDONLY;
	}
	return 0;
}

/* Called after the devices were made in it. */
static int seal_dev(const struct init *in, struct err *err)
{
	struct rootfs_dev kind;

	if (rootfs_dev(in, &kind, err) < 0)
		return -1;
	if (kind.bound || !kind.readonly)
		return 0;
	AUTO(fd) int dev = path_open(in->root_fd, "dev", PATH_IN_ROOT, O_PATH, 0, err);
	return dev < 0 || rootfs_seal_mount(dev, err) < 0 ? err_wrap(err, "/dev") : 0;
}

int rootfs_seal(struct init *in, struct err *err)
{
	const struct oci_linux *l = &in->spec->linux_;
	AUTO(fd) int null = device_null(err);

	if (null < 0)
		return -1;
	strv_each(path, l->readonly_paths) {
		if (make_readonly(in, *path, err) < 0)
			return err_wrap(err, "read-only path %s", *path);
	}
	strv_each(path, l->masked_paths) {
		if (mask(in, *path, null, err) < 0)
			return err_wrap(err, "masked path %s", *path);
	}
	return seal_dev(in, err);
}

static int pivot(int root, struct err *err)
{
	AUTO(fd) int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || fchdir(root) < 0)
		return err_sys(err, "enter the root");
	/* pivot_root(".", ".") stacks the old root on the new one, so no directory for it is
	 * needed. */
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		err_sys(err, "pivot_root");
		return err->sys == EINVAL ? err_hint(err, "the root file system of the guest must "
							  "be a mount, not the initial ramfs")
					  : -1;
	}
	/* The unmount below must not propagate to other mount namespaces. */
	if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "leave the old root");
	return 0;
}

int rootfs_enter(struct init *in, struct err *err)
{
	unsigned long propagation = 0;

	if (pivot(in->root_fd, err) < 0)
		return -1;
	fd_close(&in->root_fd);
	if (!str_empty(in->spec->linux_.rootfs_propagation)) {
		if (root_propagation(in, &propagation, err) < 0)
			return -1;
		if (mount(NULL, "/", NULL, propagation & ~(unsigned long)MS_REC, NULL) < 0)
			return err_sys(err, "set the propagation of the root");
	}
	return 0;
}

int rootfs_readonly(const struct init *in, struct err *err)
{
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!in->spec->root_readonly)
		return 0;
	if (root < 0)
		return err_sys(err, "open the root");
	return rootfs_seal_mount(root, err) < 0 ? err_wrap(err, "the root") : 0;
}
