// SPDX-License-Identifier: Apache-2.0
/* The list of storages: counts references, and mounts and unmounts outside of the lock. */

#include "agent/storage/storage.h"

#include "agent/device/block.h"
#include "agent/hugepages.h"
#include "agent/paths.h"
#include "agent/storage/driver.h"
#include "agent/storage/group.h"
#include "agent/storage/watcher.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

void storages_init(struct storages *s, struct loop *loop, unsigned hotplug_ms)
{
	*s = (struct storages){ .host = { loop, hotplug_ms }, .lock = PTHREAD_MUTEX_INITIALIZER };
	cond_init(&s->released);
}

void storages_release(struct storages *s)
{
	vec_release(&s->v);
}

int storage_check_path(const char *mount_point, struct err *err)
{
	AUTO(str) char *clean = path_clean(mount_point);

	if (!path_is_below(clean, GUEST_DIR) || str_eq(clean, GUEST_DIR))
		return err_set(err, E_INVALID, "mount point '%.256s' is not below " GUEST_DIR,
			       mount_point);
	if (!str_eq(clean, mount_point) && strlen(clean) + 1 != strlen(mount_point))
		return err_set(err, E_INVALID, "mount point '%.256s' is not a plain path",
			       mount_point);
	return 0;
}

static struct storage *find_locked(struct storages *s, const char *mount_point)
{
	vec_each(struct storage, found, &s->v) {
		if (str_eq(found->mount_point, mount_point))
			return found;
	}
	return NULL;
}

static void forget_locked(struct storages *s, const char *mount_point)
{
	struct storage *gone = find_locked(s, mount_point);

	if (!gone)
		return;
	free(gone->mount_point);
	free(gone->driver);
	vec_remove(&s->v, (size_t)(gone - s->v.v));
}

/* Returns 1 if the storage exists, and takes a reference; 0 if the caller must mount it: a busy
 * entry was added for it; -1 on E_TIMEOUT. */
static int claim(struct storages *s, const Grpc__Storage *storage, struct deadline deadline,
		 struct err *err)
{
	struct storage *found;
	int result;

	(void)pthread_mutex_lock(&s->lock);
	while ((found = find_locked(s, storage->mount_point)) && found->busy &&
	       cond_wait_until(&s->released, &s->lock, deadline))
		;
	result = found ? 1 : 0;
	if (found && found->busy) {
		result = err_set(err, E_TIMEOUT,
				 "another request is still mounting or unmounting it");
	} else if (found) {
		found->refs++;
	} else {
		struct storage new = { .mount_point = xstrdup(storage->mount_point),
				       .driver = xstrdup(storage->driver),
				       .refs = 1,
				       .busy = true };

		vec_push(&s->v, new);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return result;
}

/* After mounting: ends the busy state, or removes the entry if it failed. A storage that stays gets
 * a further reference, the sandbox's. */
static void settle(struct storages *s, const Grpc__Storage *storage, bool stays, bool made,
		   bool mounted)
{
	struct storage *new;

	(void)pthread_mutex_lock(&s->lock);
	new = find_locked(s, storage->mount_point); /* NULL: removed with the sandbox */
	if (made && new) {
		new->busy = false;
		new->mounted = mounted;
		new->refs += stays;
	} else {
		forget_locked(s, storage->mount_point);
	}
	(void)pthread_cond_broadcast(&s->released);
	(void)pthread_mutex_unlock(&s->lock);
}

int storage_add(struct storages *s, const Grpc__Storage *storage, struct deadline deadline,
		struct err *err)
{
	const struct storage_driver *driver = storage_driver_find(storage->driver, err);
	bool mounted = false;
	int result;

	if (!driver || storage_check_path(storage->mount_point, err) < 0)
		return -1;
	result = claim(s, storage, deadline, err);
	if (result != 0)
		return result > 0 ? 0 : err_wrap(err, "storage %.256s", storage->mount_point);
	result = driver->add(&s->host, storage, &mounted, err);
	if (result == 0 && storage->fs_group)
		result = storage_set_group(storage, err);
	if (result < 0 && mounted)
		(void)umount2(storage->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (result < 0)
		hugepages_drop(storage->mount_point);
	settle(s, storage, driver->stays, result == 0, mounted);
	return result < 0
		       ? err_wrap(err, "storage %.256s (%s)", storage->mount_point, storage->driver)
		       : 0;
}

static bool is_on_a_disk(const struct storage *s)
{
	return s->mounted && storage_driver_is_block(s->driver);
}

/* Before a lazy unmount: the disk may be unplugged next, even if a process still uses the mount. */
static void write_back(const struct storage *s)
{
	AUTO(fd) int fd = open(s->mount_point, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		log_warn("cannot write back a storage", LOG_S("mount_point", s->mount_point),
			 LOG_I("errno", errno));
}

static void unmount(const struct storage *gone)
{
	(void)watcher_remove(gone->mount_point);
	if (is_on_a_disk(gone))
		write_back(gone);
	if (gone->mounted && umount2(gone->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warn("cannot unmount a storage", LOG_S("mount_point", gone->mount_point),
			 LOG_I("errno", errno));
	hugepages_drop(gone->mount_point);
	if (rmdir(gone->mount_point) < 0 && errno == ENOTDIR)
		(void)unlink(gone->mount_point);
}

void storage_drop(struct storages *s, const char *mount_point)
{
	struct storage *found, gone = { .refs = 1 };

	(void)pthread_mutex_lock(&s->lock);
	found = find_locked(s, mount_point);
	if (found && --found->refs == 0) {
		gone = *found;
		found->busy = true; /* no flow may take a reference while it is unmounted */
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (gone.refs)
		return;
	unmount(&gone);
	(void)pthread_mutex_lock(&s->lock);
	forget_locked(s, mount_point);
	(void)pthread_cond_broadcast(&s->released);
	(void)pthread_mutex_unlock(&s->lock);
}

void storage_drop_all(struct storages *s)
{
	for (;;) {
		AUTO(str) char *last = NULL;

		/* In reverse order: one may be mounted on an earlier one. */
		(void)pthread_mutex_lock(&s->lock);
		if (s->v.n) {
			last = xstrdup(s->v.v[s->v.n - 1].mount_point);
			s->v.v[s->v.n - 1].refs = 1;
		}
		(void)pthread_mutex_unlock(&s->lock);
		if (!last)
			return;
		storage_drop(s, last);
	}
}

/* EOPNOTSUPP: a file system that cannot be frozen, such as a read-only one. EBUSY: it is frozen. */
static void freeze(const struct storage *s)
{
	AUTO(fd) int fd = open(s->mount_point, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (ioctl(fd, FIFREEZE, 0) < 0 && errno != EOPNOTSUPP && errno != EBUSY))
		log_warn("cannot freeze a storage", LOG_S("mount_point", s->mount_point),
			 LOG_I("errno", errno));
}

void storage_freeze_all(struct storages *s)
{
	if (!device_block_any())
		return;
	sync(); /* also what containers have written to devices themselves */
	(void)pthread_mutex_lock(&s->lock);
	vec_each(struct storage, storage, &s->v) {
		if (is_on_a_disk(storage))
			freeze(storage);
	}
	(void)pthread_mutex_unlock(&s->lock);
}
