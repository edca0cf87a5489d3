// SPDX-License-Identifier: Apache-2.0
/*
 * The container's view of cgroups: the unified hierarchy, or a tmpfs with one directory for each
 * hierarchy of cgroup v1. In a cgroup namespace the hierarchies are mounted, with the container's
 * group as their root. Without a cgroup namespace the group's directory is bound, so that the
 * container does not see the groups of others.
 */

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"
#include "container/namespace.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct hierarchy {
	const char *name, *options, *folder;
};

static int bind_folder(int target, const char *folder, bool readonly, struct err *err)
{
	struct mount_options o = { .flags = MS_BIND,
				   .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
					  (readonly ? MOUNT_ATTR_RDONLY : 0),
				   .userns = -1 };

	return mount_attach(target, folder, "bind", &o, err);
}

static int mount_hierarchy(const struct init *in, int target, const char *type,
			   const struct hierarchy *h, bool readonly, struct err *err)
{
	struct mount_options o = { .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC |
					    (readonly ? MS_RDONLY : 0),
				   .userns = -1,
				   .data = (char *)h->options };

	if (!ns_own(&in->spec->linux_, NS_CGROUP))
		return bind_folder(target, h->folder, readonly, err);
	if (str_empty(o.data))
		o.data = NULL;
	return mount_attach(target, "cgroup", type, &o, err);
}

/* "cpu" and "cpuacct" as links to "cpu,cpuacct". */
static int link_parts(int dir, const char *name, struct err *err)
{
	AUTO(strv) char **parts = strv_split(name, ",");

	if (strv_len(parts) < 2)
		return 0;
	strv_each(part, parts) {
		if (symlinkat(name, dir, *part) < 0 && errno != EEXIST)
			return err_sys(err, "link %s", *part);
	}
	return 0;
}

static int mount_v1(const struct init *in, int tmpfs, bool readonly, struct err *err)
{
	strv_each(entry, in->cgroup_mounts) {
		AUTO(strv) char **f = strv_split(*entry, "\n");
		struct hierarchy h;

		if (strv_len(f) != 3)
			return err_set(err, E_PROTOCOL, "malformed cgroup hierarchy");
		h = (struct hierarchy){ f[0], f[1], f[2] };
		AUTO(fd) int dir = path_mkdirs(tmpfs, h.name, PATH_BENEATH, 0755, err);
		if (dir < 0 || mount_hierarchy(in, dir, "cgroup", &h, readonly, err) < 0 ||
		    link_parts(tmpfs, h.name, err) < 0)
			return err_wrap(err, "hierarchy %s", h.name);
	}
	return 0;
}

static int mount_v2(const struct init *in, int target, bool readonly, struct err *err)
{
	AUTO(strv)
	char **f = strv_split(strv_len(in->cgroup_mounts) ? in->cgroup_mounts[0] : "", "\n");
	struct hierarchy h = { "", "", strv_len(f) ? f[strv_len(f) - 1] : "" };

	return mount_hierarchy(in, target, "cgroup2", &h, readonly, err);
}

int cgroup_mount(const struct init *in, const struct oci_mount *m, struct err *err)
{
	struct mount_options tmpfs = { .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
				       .userns = -1,
				       .data = (char *)"mode=755" };
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	bool readonly;

	if (mount_options_parse(m->options, &o, err) < 0)
		return -1;
	readonly = o.flags & MS_RDONLY;
	AUTO(fd) int target = rootfs_plain_target(in->root_fd, m->destination, S_IFDIR, err);
	if (target < 0)
		return -1;
	if (in->cgroup_v2)
		return mount_v2(in, target, readonly, err);
	if (mount_attach(target, "tmpfs", "tmpfs", &tmpfs, err) < 0)
		return -1;
	AUTO(fd)
	int top = path_open(in->root_fd, m->destination, PATH_IN_ROOT, O_PATH | O_DIRECTORY, 0,
			    err);
	if (top < 0 || mount_v1(in, top, readonly, err) < 0)
		return -1;
	/* The tmpfs is writable until its directories are made. */
	return readonly ? rootfs_seal_mount(top, err) : 0;
}
