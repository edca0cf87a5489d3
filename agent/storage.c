// SPDX-License-Identifier: Apache-2.0
/* Storages: what the runtime wants mounted in the guest, counted by mount point. */

#include "agent/agent.h"

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct driver {
	const char *name;
	/* Makes what is to be at mount_point; *mounted says whether it must be unmounted again. */
	int (*add)(const Grpc__Storage *s, bool *mounted, struct err *err);
};

static int mount_with(const Grpc__Storage *s, const char *source, const char *type, struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **list = NULL;

	for (size_t i = 0; i < s->n_options; i++) {
		AUTO(strv) char **words = strv_split(s->options[i], ",");

		strv_each(w, words)
			strv_push(&list, *w);
	}
	if (mount_options_parse(list, &o, err) < 0)
		return -1;
	return mount_at(source, s->mount_point, type, &o, err);
}

/* virtio-fs, 9p, overlayfs, ephemeral: the message says all that mount(2) needs. */
static int add_plain(const Grpc__Storage *s, bool *mounted, struct err *err)
{
	*mounted = true;
	if (path_make(s->mount_point, 0755, err) < 0)
		return -1;
	return mount_with(s, s->source, s->fstype, err);
}

static int add_bind(const Grpc__Storage *s, bool *mounted, struct err *err)
{
	AUTO(str) char *parent = NULL;
	struct stat st;

	*mounted = true;
	if (stat(s->source, &st) < 0)
		return err_sys(err, "source %s", s->source);
	parent = strndup(s->mount_point, (size_t)(path_basename(s->mount_point) - s->mount_point));
	if (path_make(S_ISDIR(st.st_mode) ? s->mount_point : parent, 0755, err) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		AUTO(fd) int fd = open(s->mount_point, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_sys(err, "make %s", s->mount_point);
	}
	for (size_t i = 0; i < s->n_options; i++) {
		if (str_eq(s->options[i], "rbind") || str_eq(s->options[i], "bind"))
			return mount_with(s, s->source, NULL, err);
	}
	if (mount(s->source, s->mount_point, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "bind %s on %s", s->source, s->mount_point);
	return 0;
}

static int add_local(const Grpc__Storage *s, bool *mounted, struct err *err)
{
	mode_t mode = 0755;

	*mounted = false;
	for (size_t i = 0; i < s->n_options; i++) {
		uint64_t value;

		if (!str_starts(s->options[i], "mode="))
			continue;
		if (str_u64(s->options[i] + 5, 8, 0, 07777, "mode", &value, err) < 0)
			return -1;
		mode = (mode_t)value;
	}
	if (path_make(s->mount_point, 0755, err) < 0)
		return -1;
	return chmod(s->mount_point, mode) < 0 ? err_sys(err, "set the mode of %s", s->mount_point)
					       : 0;
}

static const struct driver drivers[] = {
	{ "virtio-fs", add_plain }, { "9p", add_plain },  { "overlayfs", add_plain },
	{ "ephemeral", add_plain }, { "bind", add_bind }, { "local", add_local },
};

static const struct driver *find_driver(const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (str_eq(drivers[i].name, name))
			return &drivers[i];
	}
	err_set(err, E_UNSUPPORTED, "storage driver '%.64s' is not supported", name);
	return NULL;
}

/* Storages live below our directory; what the runtime names elsewhere would be the guest itself. */
static int check(const Grpc__Storage *s, struct err *err)
{
	AUTO(str) char *clean = path_clean(s->mount_point);

	if (!path_is_below(clean, GUEST_DIR) || str_eq(clean, GUEST_DIR))
		return err_set(err, E_INVALID, "mount point '%.256s' is not below " GUEST_DIR,
			       s->mount_point);
	return 0;
}

/* True if the mount point was there and has one more reference. */
static bool add_reference(struct sandbox *s, const char *mount_point)
{
	for (size_t i = 0; i < s->storages.n; i++) {
		if (str_eq(s->storages.v[i].mount_point, mount_point)) {
			s->storages.v[i].refs++;
			return true;
		}
	}
	return false;
}

int storage_add(struct sandbox *s, const Grpc__Storage *storage, struct err *err)
{
	const struct driver *driver = find_driver(storage->driver, err);
	struct storage new = { .refs = 1 };
	int result = 0;

	if (!driver || check(storage, err) < 0)
		return -1;
	/* Held over the mount: a second user of the same mount point must find it there. */
	(void)pthread_mutex_lock(&s->lock);
	if (!add_reference(s, storage->mount_point)) {
		result = driver->add(storage, &new.mounted, err);
		if (result == 0) {
			new.mount_point = xstrdup(storage->mount_point);
			vec_push(&s->storages, new);
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
	return result < 0 ? err_wrap(err, "storage %s (%s)", storage->mount_point, storage->driver)
			  : 0;
}

void storage_drop(struct sandbox *s, const char *mount_point)
{
	struct storage gone = { .refs = 1 };

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->storages.n; i++) {
		if (!str_eq(s->storages.v[i].mount_point, mount_point))
			continue;
		if (--s->storages.v[i].refs == 0) {
			gone = s->storages.v[i];
			vec_remove(&s->storages, i);
		}
		break;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (gone.refs)
		return;
	if (gone.mounted && umount2(gone.mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warn("cannot unmount a storage", LOG_S("mount_point", gone.mount_point),
			 LOG_I("errno", errno));
	(void)rmdir(gone.mount_point);
	free(gone.mount_point);
}
