// SPDX-License-Identifier: Apache-2.0
/*
 * Device nodes of the container: the default ones and those of the specification. In a user
 * namespace mknod is not allowed; there the guest's nodes are bind-mounted.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/namespace.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* makedev as a constant; small numbers only */
#define NUMBER(major, minor) ((dev_t)((major) << 8 | (minor)))

struct node {
	const char *path;
	mode_t mode;
	dev_t dev;
	uid_t uid;
	gid_t gid;
};

int device_null(struct err *err)
{
	AUTO(fd) int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(err, E_FAILED, "/dev/null is not the null device");
	return STEAL(fd, -1);
}

static int node_bind(const struct init *in, const struct node *n, struct err *err)
{
	struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(fd) int source = open(n->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (source < 0 || fstat(source, &st) < 0)
		return err_sys(err, "open device %s", n->path);
	if ((st.st_mode & S_IFMT) != (n->mode & S_IFMT) || st.st_rdev != n->dev)
		return err_set(
			err, E_INVALID,
			"%s of the guest has another type or number than the specification's",
			n->path);
	AUTO(fd) int target = rootfs_plain_target(in->root_fd, n->path, S_IFREG, err);
	if (target < 0)
		return -1;
	return mount_bind_fd(target, source, &o, err);
}

static int node_check(int dir, const char *name, const struct node *n, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at device %s", n->path);
	if ((st.st_mode & S_IFMT) != (n->mode & S_IFMT) || st.st_rdev != n->dev)
		return err_set(err, E_EXISTS, "%s exists and is not that device", n->path);
	return 0;
}

static int node_make(const struct init *in, const struct node *n, struct err *err)
{
	const char *name;
	AUTO(fd)
	int dir = path_parent(in->root_fd, n->path, PATH_IN_ROOT, 0755, &name, err);

	if (dir < 0)
		return err_wrap(err, "device %s", n->path);
	/* Whatever the image or a mount has at the path stays, as with runc. */
	if (mknodat(dir, name, n->mode, n->dev) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make device %s", n->path);
	/* We have just made it, in a directory that nobody else can write to yet. The umask was
	 * applied to its mode, so set the mode.
	 */
	AUTO(fd) int node = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || node_check(dir, name, n, err) < 0 ||
	    chmod(path_of_fd(node).path, n->mode & 07777) < 0 ||
	    fchownat(node, "", n->uid, n->gid, AT_EMPTY_PATH) < 0)
		return err->code ? -1 : err_sys(err, "set up device %s", n->path);
	return 0;
}

static int node_from_spec(const struct oci_device *d, struct node *n, struct err *err)
{
	const char *type = d->type ? d->type : "";

	*n = (struct node){ d->path, 0, 0, d->uid, d->gid };
	if (str_empty(d->path) || *d->path != '/')
		return err_set(err, E_INVALID, "device path '%s' is not absolute",
			       d->path ? d->path : "");
	if (str_eq(type, "c") || str_eq(type, "u"))
		n->mode = S_IFCHR;
	else if (str_eq(type, "b"))
		n->mode = S_IFBLK;
	else if (str_eq(type, "p"))
		n->mode = S_IFIFO;
	else
		return err_set(err, E_INVALID, "device %s has type '%s'", d->path, type);
	if (n->mode != S_IFIFO) {
		if (d->major < 0 || d->minor < 0 || d->major > 0xfff || d->minor > 0xfffff)
			return err_set(err, E_INVALID, "device %s has no valid number", d->path);
		n->dev = makedev((unsigned)d->major, (unsigned)d->minor);
	}
	n->mode |= d->file_mode.set ? (mode_t)d->file_mode.v & 07777 : 0666;
	return 0;
}

static bool in_spec(const struct oci_linux *l, const char *path)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		AUTO(str) char *clean = path_clean(l->devices[i].path ? l->devices[i].path : "");

		if (str_eq(clean, path))
			return true;
	}
	return false;
}

static int links_make(const struct init *in, struct err *err)
{
	static const char *const links[][2] = {
		{ "/dev/fd", "/proc/self/fd" },       { "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
		{ "/dev/core", "/proc/kcore" },       { "/dev/ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		const char *name;
		AUTO(fd)
		int dir = path_parent(in->root_fd, links[i][0], PATH_IN_ROOT, 0755, &name, err);

		if (dir < 0)
			return -1;
		if (symlinkat(links[i][1], dir, name) < 0 && errno != EEXIST)
			return err_sys(err, "link %s", links[i][0]);
	}
	return 0;
}

int devices_make(const struct init *in, struct err *err)
{
	const struct oci_linux *l = &in->spec->linux_;
	bool bind = ns_own(l, NS_USER);
	struct rootfs_dev dev;
	static const struct node usual[] = {
		{ "/dev/null", S_IFCHR | 0666, NUMBER(1, 3), 0, 0 },
		{ "/dev/zero", S_IFCHR | 0666, NUMBER(1, 5), 0, 0 },
		{ "/dev/full", S_IFCHR | 0666, NUMBER(1, 7), 0, 0 },
		{ "/dev/random", S_IFCHR | 0666, NUMBER(1, 8), 0, 0 },
		{ "/dev/urandom", S_IFCHR | 0666, NUMBER(1, 9), 0, 0 },
		{ "/dev/tty", S_IFCHR | 0666, NUMBER(5, 0), 0, 0 },
	};

	if (rootfs_dev(in, &dev, err) < 0)
		return -1;
	if (dev.bound)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		if (in_spec(l, usual[i].path))
			continue;
		if ((bind ? node_bind(in, &usual[i], err) : node_make(in, &usual[i], err)) < 0)
			return -1;
	}
	for (size_t i = 0; i < l->n_devices; i++) {
		struct node n;

		if (node_from_spec(&l->devices[i], &n, err) < 0)
			return -1;
		if ((bind ? node_bind(in, &n, err) : node_make(in, &n, err)) < 0)
			return -1;
	}
	return links_make(in, err);
}
