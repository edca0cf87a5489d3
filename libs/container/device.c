// SPDX-License-Identifier: Apache-2.0
/* /dev of a container: the default nodes and links, and those of the specification. */

#include "container/container-internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* In a user namespace nodes cannot be made: the guest's own is bound there instead. */
static int bind_node(int parent, const char *name, const char *path, struct err *err)
{
	AUTO(fd) int made = openat(parent, name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
	AUTO(fd) int at = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (made < 0 || at < 0 || mount(path, path_of_fd(at).path, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "bind device %s", path);
	return 0;
}

static int make_node(int root, const struct oci_device *d, struct err *err)
{
	static const struct {
		const char *type;
		mode_t mode;
	} types[] = { { "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO } };
	mode_t mode = d->file_mode.set ? (mode_t)d->file_mode.v & 07777 : 0666, kind = 0;
	const char *name;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		kind = str_eq(types[i].type, d->type) ? types[i].mode : kind;
	if (!kind || str_empty(d->path))
		return err_set(err, E_INVALID, "device '%s' has the unknown type '%s'",
			       d->path ? d->path : "", d->type ? d->type : "");
	AUTO(fd) int parent = path_parent(root, d->path, PATH_IN_ROOT, 0755, &name, err);
	if (parent < 0)
		return -1;
	if (mknodat(parent, name, kind | mode, makedev((unsigned)d->major, (unsigned)d->minor)) <
	    0) {
		if (errno == EPERM)
			return bind_node(parent, name, d->path, err);
		if (errno != EEXIST)
			return err_sys(err, "make device %s", d->path);
	}
	/* mknod obeys the umask; what is there may be the image's and be anything but a link. */
	if (fchownat(parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "own device %s", d->path);
	AUTO(fd) int node = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (node < 0 || fstat(node, &st) < 0)
		return err_sys(err, "open device %s", d->path);
	if (S_ISLNK(st.st_mode))
		return err_set(err, E_INVALID, "device %s is a link in the image", d->path);
	if (chmod(path_of_fd(node).path, mode) < 0)
		return err_sys(err, "set the mode of device %s", d->path);
	return 0;
}

static int make_link(int dev, const char *target, const char *name, struct err *err)
{
	if (symlinkat(target, dev, name) == 0 || errno == EEXIST)
		return 0;
	return err_sys(err, "make link /dev/%s", name);
}

static int make_links(int dev, struct err *err)
{
	static const struct {
		const char *name, *target;
	} links[] = { { "fd", "/proc/self/fd" },
		      { "stdin", "/proc/self/fd/0" },
		      { "stdout", "/proc/self/fd/1" },
		      { "stderr", "/proc/self/fd/2" },
		      { "core", "/proc/kcore" } };

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (make_link(dev, links[i].target, links[i].name, err) < 0)
			return -1;
	}
	/* The image's ptmx would be that of another devpts. */
	(void)unlinkat(dev, "ptmx", 0);
	return make_link(dev, "pts/ptmx", "ptmx", err);
}

int device_nodes(const struct oci_spec *spec, int root, struct err *err)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} defaults[] = { { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
			 { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 } };
	AUTO(fd) int dev = path_mkdirs(root, "/dev", PATH_IN_ROOT, 0755, err);

	if (dev < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		struct oci_device d = { .path = (char *)defaults[i].path,
					.type = (char *)"c",
					.major = defaults[i].major,
					.minor = defaults[i].minor };

		if (make_node(root, &d, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->linux_.n_devices; i++) {
		if (make_node(root, &spec->linux_.devices[i], err) < 0)
			return -1;
	}
	return make_links(dev, err);
}
