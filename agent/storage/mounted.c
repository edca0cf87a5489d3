// SPDX-License-Identifier: Apache-2.0
/* Resizes tmpfs mounts in use, and unmounts stale shares. */

#include "agent/storage/mounted.h"

#include "agent/paths.h"
#include "agent/storage/storage.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* The runtime calls for this after it has plugged memory: the size was a fraction of the former
 * memory. */
static int rescale(const Grpc__Storage *s, struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **words = NULL;
	struct statfs fs;

	if (storage_check_path(s->mount_point, err) < 0)
		return -1;
	if (statfs(s->mount_point, &fs) < 0)
		return err_sys(err, "look at %s", s->mount_point);
	if (fs.f_type != TMPFS_MAGIC)
		return err_set(err, E_STATE, "no tmpfs is mounted there");
	strv_push(&words, "remount");
	for (size_t i = 0; i < s->n_options; i++) {
		if (!str_starts(s->options[i], "fsgid="))
			strv_push(&words, s->options[i]);
	}
	return mount_options_parse(words, &o, err) < 0
		       ? -1
		       : mount_at(s->source, s->mount_point, "tmpfs", &o, err);
}

int mounted_rescale(const Grpc__Storage *s, struct err *err)
{
	return rescale(s, err) < 0 ? err_wrap(err, "storage %.256s", s->mount_point) : 0;
}

/* True for a virtio-fs mount whose root the host has removed: it can only be unmounted. */
static bool is_stale(const struct mount_entry *m)
{
	struct stat st;

	if (!str_eq(m->type, "virtiofs") || !path_is_below(m->target, SHARED_DIR) ||
	    str_eq(m->target, SHARED_DIR))
		return false;
	return stat(m->target, &st) < 0 &&
	       (errno == ENOENT || errno == ESTALE || errno == EIO || errno == ENOTCONN);
}

int mounted_drop_stale(struct err *err)
{
	AUTO(mount_list) struct mount_list mounts = { .n = 0 };

	if (mount_list_read(&mounts, err) < 0)
		return -1;
	for (size_t i = mounts.n; i > 0; i--) {
		const struct mount_entry *m = &mounts.v[i - 1];

		if (is_stale(m) && umount2(m->target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			log_warn("cannot unmount a stale share", LOG_S("mount_point", m->target),
				 LOG_I("errno", errno));
	}
	return 0;
}
