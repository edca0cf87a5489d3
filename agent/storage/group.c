// SPDX-License-Identifier: Apache-2.0
/*
 * Kubernetes' fsGroup: gives a volume and everything in it to a group. The contents are untrusted:
 * no symbolic link is followed, and no other file system is entered.
 */

#include "agent/storage/group.h"

#include "base/fd.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

struct change {
	gid_t group;
	dev_t device;
};

static mode_t wanted(mode_t mode)
{
	return S_ISDIR(mode) ? mode | S_ISGID | 0770 : mode | 0660;
}

static int change_one(const struct change *c, int at, const char *name, const struct stat *st,
		      struct err *err)
{
	if (st->st_gid != c->group &&
	    fchownat(at, name, (uid_t)-1, c->group, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "give %s to group %u", name, (unsigned)c->group);
	if (S_ISLNK(st->st_mode) || wanted(st->st_mode) == st->st_mode)
		return 0;
	/* By an fd opened with O_NOFOLLOW, since fchmodat follows links. */
	AUTO(fd) int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	AUTO(str) char *path = str_fmt("/proc/self/fd/%d", fd);
	if (fd < 0 || chmod(path, wanted(st->st_mode) & 07777) < 0)
		return err_sys(err, "set the mode of %s", name);
	return 0;
}

static int change_below(const struct change *c, int folder, int depth, struct err *err)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct stat st;

	if (!dir)
		return err_sys(err, "open a folder of the volume");
	if (depth > DEPTH_MAX)
		return err_set(err, E_LIMIT, "the volume is more than %d folders deep", DEPTH_MAX);
	for (struct dirent *e; (e = readdir(dir));) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return err_sys(err, "look at %s", e->d_name);
		}
		if (st.st_dev != c->device)
			continue;
		if (change_one(c, folder, e->d_name, &st, err) < 0)
			return -1;
		if (!S_ISDIR(st.st_mode))
			continue;
		AUTO(fd)
		int sub = openat(folder, e->d_name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			return err_sys(err, "open %s", e->d_name);
		if (change_below(c, sub, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

int storage_set_group(const Grpc__Storage *s, struct err *err)
{
	AUTO(fd) int fd = open(s->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct change c = { .group = s->fs_group->group_id };
	struct statvfs fs;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
		return err_sys(err, "look at the volume");
	c.device = st.st_dev;
	if (fs.f_flag & ST_RDONLY)
		return 0;
	if (s->fs_group->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch &&
	    st.st_gid == c.group && wanted(st.st_mode) == st.st_mode)
		return 0;
	if (change_below(&c, fd, 0, err) < 0)
		return -1;
	/* The root last: OnRootMismatch takes its group as a sign that all below it is done. */
	if (fchown(fd, (uid_t)-1, c.group) < 0 || fchmod(fd, wanted(st.st_mode) & 07777) < 0)
		return err_sys(err, "give the volume to group %u", (unsigned)c.group);
	return 0;
}
