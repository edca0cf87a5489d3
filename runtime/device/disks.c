// SPDX-License-Identifier: Apache-2.0
/* Counts the users of a VM's disks, and plugs and unplugs outside of the lock. */

#include "device/disks.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

void disks_init(struct disks *d)
{
	*d = (struct disks){ .lock = PTHREAD_MUTEX_INITIALIZER };
	cond_init(&d->changed);
}

static void disk_free(struct disk *disk)
{
	free(disk->id);
	free(disk->path);
	free(disk);
}

void disks_release(struct disks *d)
{
	vec_each(struct disk *, disk, &d->list)
		disk_free(*disk);
	vec_release(&d->list);
	(void)pthread_mutex_destroy(&d->lock);
	(void)pthread_cond_destroy(&d->changed);
}

static int identify(const char *path, bool readonly, struct disk *out, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "disk %s", path);
	*out = (struct disk){ .device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev,
			      .inode = S_ISBLK(st.st_mode) ? 0 : st.st_ino,
			      .readonly = readonly };
	return 0;
}

/* With the lock held. */
static struct disk *find(const struct disks *d, const struct disk *like)
{
	for (size_t i = 0; i < d->list.n; i++) {
		struct disk *disk = d->list.v[i];

		if (disk->device == like->device && disk->inode == like->inode &&
		    disk->readonly == like->readonly)
			return disk;
	}
	return NULL;
}

/* With the lock held: ends the busy state, and removes the disk from the list unless it stays. */
static void settle(struct disks *d, struct disk *disk, bool stays)
{
	disk->busy = false;
	for (size_t i = 0; i < d->list.n && !stays; i++) {
		if (d->list.v[i] != disk)
			continue;
		vec_remove(&d->list, i);
		disk_free(disk);
		break;
	}
	(void)pthread_cond_broadcast(&d->changed);
}

/* With the lock held: takes a reference to a plugged disk, or to a busy one, which the caller must
 * plug in: a new one, or one that is leaving. */
static struct disk *claim(struct disks *d, const char *path, const struct disk *like,
			  struct deadline deadline, struct err *err)
{
	struct disk *disk;

	while ((disk = find(d, like)) && disk->busy &&
	       cond_wait_until(&d->changed, &d->lock, deadline))
		;
	if (disk && disk->busy) {
		err_set(err, E_TIMEOUT, "disk %s: it is still being plugged in or out", path);
		return NULL;
	}
	if (!disk) {
		disk = NEW(struct disk);
		*disk = *like;
		disk->id = str_fmt("disk%u", d->counter++);
		disk->busy = true;
		vec_push(&d->list, disk);
	}
	if (disk->leaving)
		disk->busy = true;
	if (disk->busy)
		str_set(&disk->path, path);
	disk->users++;
	return disk;
}

/* Success also if the guest has let go of it by itself. */
static int take_out(struct vmm *vmm, const struct disk *disk, struct deadline deadline,
		    struct err *err)
{
	if (vmm->ops->remove(vmm, disk->id, deadline, err) < 0 && err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

/* Plugs in a disk that claim() has made busy. */
static int bring(struct vmm *vmm, struct disk *disk, struct deadline deadline, struct err *err)
{
	const struct vmm_device device = { .kind = VMM_DISK,
					   .disk = { disk->path, disk->readonly } };

	if (disk->leaving && take_out(vmm, disk, deadline, err) < 0) {
		if (err->code != E_STATE)
			return -1;
		err_clear(err); /* the guest has refused: it keeps the disk */
		disk->leaving = false;
		return 0;
	}
	disk->leaving = false;
	return vmm->ops->add(vmm, disk->id, &device, &disk->address, deadline, err);
}

int disks_plug(struct disks *d, struct vmm *vmm, const char *path, bool readonly, struct disk **out,
	       struct deadline deadline, struct err *err)
{
	struct disk like, *disk;
	bool mine;
	int result;

	if (identify(path, readonly, &like, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&d->lock);
	disk = claim(d, path, &like, deadline, err);
	mine = disk && disk->busy;
	(void)pthread_mutex_unlock(&d->lock);
	if (!disk)
		return -1;
	if (mine) {
		result = bring(vmm, disk, deadline, err);
		(void)pthread_mutex_lock(&d->lock);
		disk->users -= result < 0;
		settle(d, disk, result == 0 || disk->leaving);
		(void)pthread_mutex_unlock(&d->lock);
		if (result < 0)
			return err_wrap(err, "disk %s", path);
	}
	*out = disk;
	return 0;
}

int disks_unplug(struct disks *d, struct vmm *vmm, struct disk *disk, struct deadline deadline,
		 struct err *err)
{
	bool last;

	(void)pthread_mutex_lock(&d->lock);
	last = --disk->users == 0;
	disk->busy = last;
	(void)pthread_mutex_unlock(&d->lock);
	if (!last)
		return 0;
	if (take_out(vmm, disk, deadline, err) < 0)
		err_wrap(err, "disk %s", disk->path);
	(void)pthread_mutex_lock(&d->lock);
	disk->leaving = err->code != E_OK;
	settle(d, disk, disk->leaving);
	(void)pthread_mutex_unlock(&d->lock);
	return err->code ? -1 : 0;
}

static int size_of(const char *path, bool *is_device, uint64_t *out, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "look at %s", path);
	*is_device = S_ISBLK(st.st_mode);
	*out = (uint64_t)st.st_size;
	if (*is_device && ioctl(fd, BLKGETSIZE64, out) < 0)
		return err_sys(err, "size of %s", path);
	return 0;
}

int disks_grow(struct vmm *vmm, const struct disk *disk, uint64_t bytes, struct deadline deadline,
	       struct err *err)
{
	bool is_device = false;
	uint64_t has = 0;

	if (size_of(disk->path, &is_device, &has, err) < 0)
		return -1;
	if (is_device && bytes > has) {
		err_set(err, E_STATE, "disk %s has %llu bytes", disk->path,
			(unsigned long long)has);
		return err_hint(err, "grow the device first");
	}
	if (!is_device && bytes < has)
		return err_set(err, E_INVALID, "disk %s has %llu bytes, and cannot become smaller",
			       disk->path, (unsigned long long)has);
	return vmm->ops->grow(vmm, disk->id, bytes, deadline, err) < 0
		       ? err_wrap(err, "disk %s", disk->path)
		       : 0;
}

bool disks_are_plugged(struct disks *d)
{
	bool any;

	(void)pthread_mutex_lock(&d->lock);
	any = d->list.n > 0;
	(void)pthread_mutex_unlock(&d->lock);
	return any;
}
