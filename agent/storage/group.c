// SPDX-License-Identifier: Apache-2.0
/*
 * Kubernetes' fsGroup: gives a volume and everything in it to a group. The contents are untrusted:
 * no symbolic link is followed, and no other file system is entered.
 */

#include "agent/storage/group.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct change {
	gid_t group;
	dev_t device;
};

static mode_t wanted(mode_t mode)
{
	return S_ISDIR(mode) ? mode | S_ISGID | 0770 : mode | 0660;
}

/* Changes the file that the fd, of O_PATH, names. A change of the group takes bits such as S_ISUID
 * from the mode, so the whole mode is set. By the fd's path: fchmod() refuses such an fd. */
static int change_fd(const struct change *c, int fd, const struct stat *st)
{
	bool other = st->st_gid != c->group;

	if (other && fchownat(fd, "", (uid_t)-1, c->group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISLNK(st->st_mode) || (!other && wanted(st->st_mode) == st->st_mode))
		return 0;
	return chmod(path_of_fd(fd).path, wanted(st->st_mode) & 07777);
}

static int change_one(void *arg, const struct tree_at *at, struct err *err)
{
	const struct change *c = arg;
	AUTO(str) char *path = NULL;
	AUTO(fd) int fd = -1;
	struct stat st;
	int saved;

	if (at->when == TREE_LEAVE)
		return TREE_GO_ON;
	fd = openat(at->dir, at->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return TREE_GO_ON;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (st.st_dev != c->device)
			return TREE_SKIP;
		if (change_fd(c, fd, &st) == 0)
			return TREE_GO_ON;
	}
	saved = errno;
	path = tree_path(at);
	errno = saved;
	return err_sys(err, "give %s to group %u", path, (unsigned)c->group);
}

int storage_set_group(const Grpc__Storage *s, struct err *err)
{
	AUTO(fd) int fd = open(s->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct change c = { .group = s->fs_group->group_id };
	const struct tree_walk walk = { .visit = change_one, .arg = &c, .name = s->mount_point };
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
	if (tree_walk(fd, &walk, err) < 0)
		return -1;
	/* The root last: OnRootMismatch takes its group as a sign that all below it is done. */
	if (fchown(fd, (uid_t)-1, c.group) < 0 || fchmod(fd, wanted(st.st_mode) & 07777) < 0)
		return err_sys(err, "give the volume to group %u", (unsigned)c.group);
	return 0;
}
