// SPDX-License-Identifier: Apache-2.0
/* Usage of volumes, and growing them while they are in use. */

#include "agent/storage/volume.h"

#include "agent/device/uevent.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* --- stats --- */

int volume_stats(const char *path, struct statvfs *fs, struct err *err)
{
	if (*path != '/')
		return err_set(err, E_INVALID, "volume path '%.256s' is not absolute", path);
	return statvfs(path, fs) < 0 ? err_sys(err, "volume %.256s", path) : 0;
}

/* --- resize --- */

/* The kernel's ioctls for both file systems; no kernel header declares them. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

struct xfs_geometry {
	uint32_t blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
	uint64_t datablocks, rtblocks, rtextents, logstart;
	unsigned char uuid[16];
	uint32_t sunit, swidth;
	int32_t version;
	uint32_t flags, logsectsize, rtsectsize, dirblocksize;
};
struct xfs_grow {
	uint64_t newblocks;
	uint32_t imaxpct;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW     _IOW('X', 110, struct xfs_grow)

struct growing {
	char *size_file;
	uint64_t want, has; /* bytes */
};

static int probe_size(void *arg, struct err *err)
{
	struct growing *g = arg;
	AUTO(str) char *line = file_read_line(AT_FDCWD, g->size_file, err);
	uint64_t sectors;

	if (!line ||
	    str_u64(line, 10, 0, UINT64_MAX / 512, "size of the device", &sectors, err) < 0)
		return -1;
	g->has = sectors * 512;
	return g->has >= g->want;
}

/* Waits until the guest sees the size that the host has given the device. */
static int await_size(int fd, uint64_t want, struct deadline deadline, uint64_t *size,
		      struct err *err)
{
	struct growing g = { .want = want };
	struct stat st;
	int result;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at the volume");
	g.size_file = str_fmt("/sys/dev/block/%u:%u/size", major(st.st_dev), minor(st.st_dev));
	if (access(g.size_file, F_OK) < 0)
		result = err_set(err, E_UNSUPPORTED, "the volume is not on a block device");
	else
		result = uevent_wait(probe_size, &g, deadline, "the device's new size", err);
	free(g.size_file);
	*size = want ? want : g.has;
	return result;
}

static int grow_ext4(int fd, uint64_t size, struct err *err)
{
	struct statfs fs;
	uint64_t blocks;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, "look at the file system");
	blocks = size / (uint64_t)fs.f_bsize;
	return ioctl(fd, EXT4_RESIZE, &blocks) < 0 ? err_sys(err, "grow ext4") : 0;
}

static int grow_xfs(int fd, uint64_t size, struct err *err)
{
	struct xfs_geometry geometry = { 0 };
	struct xfs_grow grow = { 0 };

	if (ioctl(fd, XFS_GEOMETRY, &geometry) < 0 || !geometry.blocksize)
		return err_sys(err, "geometry of xfs");
	grow.newblocks = size / geometry.blocksize;
	grow.imaxpct = geometry.imaxpct;
	if (grow.newblocks <= geometry.datablocks)
		return 0;
	return ioctl(fd, XFS_GROW, &grow) < 0 ? err_sys(err, "grow xfs") : 0;
}

int volume_resize(const char *path, uint64_t want, struct deadline deadline, struct err *err)
{
	AUTO(fd) int fd = -1;
	struct statfs fs;
	uint64_t size = 0;

	if (*path != '/')
		return err_set(err, E_INVALID, "volume path '%.256s' is not absolute", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, "open %.256s", path);
	if (fs.f_type != EXT4_SUPER_MAGIC && fs.f_type != XFS_SUPER_MAGIC)
		return err_set(err, E_UNSUPPORTED, "%.256s is neither ext4 nor xfs", path);
	if (await_size(fd, want, deadline, &size, err) < 0)
		return -1;
	return fs.f_type == XFS_SUPER_MAGIC ? grow_xfs(fd, size, err) : grow_ext4(fd, size, err);
}
