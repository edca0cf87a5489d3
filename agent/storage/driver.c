// SPDX-License-Identifier: Apache-2.0
/* The storage drivers: a table of names, each with the function that makes such a storage. */

#include "agent/storage/driver.h"

#include "agent/device/block.h"
#include "agent/hugepages.h"
#include "agent/storage/watcher.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"
#include "oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Option of a bind storage: the directory below which the source is (docs/protocol/agent.md). */
#define BENEATH "X-kata.beneath="

/* The options as separate words, without those that begin like one of ours (NULL: all); strv,
 * heap. */
static char **words_of(const Grpc__Storage *s, const char *const *ours)
{
	char **list = NULL;

	for (size_t i = 0; i < s->n_options; i++) {
		AUTO(strv) char **words = strv_split(s->options[i], ",");

		strv_each(w, words) {
			bool skip = false;

			for (const char *const *o = ours; o && *o; o++)
				skip |= str_starts(*w, *o);
			if (!skip)
				strv_push(&list, *w);
		}
	}
	return list;
}

/* The value of the last option that begins with name ("size="), borrowed, or NULL. */
static const char *option(char *const *words, const char *name)
{
	const char *found = NULL;

	strv_each(w, words) {
		if (str_starts(*w, name))
			found = *w + strlen(name);
	}
	return found;
}

static int mount_words(const Grpc__Storage *s, const char *source, const char *type,
		       char *const *words, bool *mounted, struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;

	if (mount_options_parse(words, &o, err) < 0 ||
	    mount_at(source, s->mount_point, type, &o, err) < 0)
		return -1;
	*mounted = true;
	return 0;
}

/* virtio-fs, 9p, overlayfs: the storage has all arguments of mount(2). */
static int add_plain(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		     struct err *err)
{
	AUTO(strv) char **words = words_of(s, NULL);

	(void)host;
	if (path_make(s->mount_point, 0755, err) < 0)
		return -1;
	return mount_words(s, s->source, s->fstype, words, mounted, err);
}

static int make_file(const char *path, struct err *err)
{
	AUTO(str) char *parent = xstrndup(path, (size_t)(path_basename(path) - path));
	AUTO(fd) int fd = -1;

	if (path_make(parent, 0755, err) < 0)
		return -1;
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	return fd < 0 ? err_sys(err, "make %s", path) : 0;
}

static int parse_mode(const char *text, mode_t fallback, mode_t *mode, struct err *err)
{
	uint64_t value = fallback;

	if (text && str_u64(text, 8, 0, 07777, "mode", &value, err) < 0)
		return -1;
	*mode = (mode_t)value;
	return 0;
}

/* Sets the mode and, with a group (the option fsgid=), the group, which then owns new files too
 * (setgid). */
static int own(const char *path, const char *gid, mode_t mode, struct err *err)
{
	uint64_t group;

	if (gid) {
		if (str_u64(gid, 10, 0, UINT32_MAX - 1, "fsgid", &group, err) < 0)
			return -1;
		if (chown(path, (uid_t)-1, (gid_t)group) < 0)
			return err_sys(err, "give %s to group %s", path, gid);
		mode |= S_ISGID;
	}
	return chmod(path, mode) < 0 ? err_sys(err, "set the mode of %s", path) : 0;
}

/* --- bind mounts --- */

/* Makes the missing directories below root, with mode and group of the options. Returns an fd of
 * the last one. */
static int make_source(int root, const char *below, char *const *words, struct err *err)
{
	const char *gid = option(words, "fsgid=");
	mode_t mode;

	if (parse_mode(option(words, "mode="), 0755, &mode, err) < 0)
		return -1;
	AUTO(fd) int fd = path_mkdirs(root, below, PATH_NO_LINKS, mode, err);
	struct path_fd at = path_of_fd(fd);
	return fd < 0 || own(at.path, gid, mode, err) < 0 ? -1 : STEAL(fd, -1);
}

/*
 * Returns an fd of the source of a bind storage. With X-kata.beneath=DIR the source is below DIR,
 * where containers write: no link is followed on the way, and a missing directory is made.
 */
static int open_source(const Grpc__Storage *s, char *const *words, struct err *err)
{
	const char *beneath = option(words, BENEATH), *below;
	int fd;

	if (!beneath) {
		fd = open(s->source, O_PATH | O_CLOEXEC);
		return fd < 0 ? err_sys(err, "source %s", s->source) : fd;
	}
	if (!path_is_below(s->source, beneath))
		return err_set(err, E_INVALID, "source %.256s is not below %.256s", s->source,
			       beneath);
	AUTO(fd) int root = open(beneath, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open %s", beneath);
	below = s->source + strlen(beneath);
	below += strspn(below, "/");
	fd = path_open(root, below, PATH_NO_LINKS, O_PATH, 0, err);
	if (fd < 0 && err->code == E_NOT_FOUND) {
		err_clear(err);
		fd = make_source(root, below, words, err);
	}
	return fd < 0 ? err_wrap(err, "source %s", s->source) : fd;
}

static int add_bind(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		    struct err *err)
{
	static const char *const ours[] = { BENEATH, "mode=", "fsgid=", NULL };
	AUTO(strv) char **all = words_of(s, NULL), **words = words_of(s, ours);
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	struct stat st;

	(void)host;
	AUTO(fd) int source = open_source(s, all, err);
	if (source < 0)
		return -1;
	if (fstat(source, &st) < 0)
		return err_sys(err, "look at %s", s->source);
	if ((S_ISDIR(st.st_mode) ? path_make(s->mount_point, 0755, err)
				 : make_file(s->mount_point, err)) < 0)
		return -1;
	if (!strv_has(words, "rbind") && !strv_has(words, "bind"))
		strv_push(&words, "rbind");
	AUTO(fd) int target = open(s->mount_point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return err_sys(err, "open %s", s->mount_point);
	if (mount_options_parse(words, &o, err) < 0 || mount_bind_fd(target, source, &o, err) < 0)
		return -1;
	*mounted = true;
	return 0;
}

/* --- ephemeral storage --- */

static int add_local(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		     struct err *err)
{
	AUTO(strv) char **words = words_of(s, NULL);
	mode_t mode;

	(void)host;
	*mounted = false;
	if (parse_mode(option(words, "mode="), 0755, &mode, err) < 0 ||
	    path_make(s->mount_point, 0755, err) < 0)
		return -1;
	return own(s->mount_point, option(words, "fsgid="), mode, err);
}

int storage_huge_pages(const Grpc__Storage *s, uint64_t *size, uint64_t *page_size, struct err *err)
{
	AUTO(strv) char **words = words_of(s, NULL);
	const char *total = option(words, "size="), *page = option(words, "pagesize=");

	if (!total || !page)
		return err_set(err, E_INVALID, "hugetlbfs needs size= and pagesize=");
	if (oci_page_size(page, page_size, err) < 0)
		return -1;
	return str_u64(total, 10, 0, INT64_MAX, "size", size, err);
}

static int reserve_huge_pages(const Grpc__Storage *s, struct err *err)
{
	uint64_t size = 0, page_size = 0;

	if (storage_huge_pages(s, &size, &page_size, err) < 0)
		return -1;
	return hugepages_keep_volume(s->mount_point, page_size, size, err);
}

/* A tmpfs, or a hugetlbfs. */
static int add_ephemeral(const struct storage_driver_host *host, const Grpc__Storage *s,
			 bool *mounted, struct err *err)
{
	/* size= of a hugetlbfs is only for the reservation: several containers, each with a limit
	 * of its own, may use the volume. */
	static const char *const ours[] = { "fsgid=", NULL };
	static const char *const ours_huge[] = { "fsgid=", "size=", NULL };
	const char *type = *s->fstype ? s->fstype : "tmpfs";
	AUTO(strv) char **all = words_of(s, NULL);
	AUTO(strv) char **words = words_of(s, str_eq(type, "hugetlbfs") ? ours_huge : ours);
	const char *gid = option(all, "fsgid=");
	mode_t mode;

	(void)host;
	if (!str_eq(type, "tmpfs") && !str_eq(type, "hugetlbfs"))
		return err_set(err, E_INVALID,
			       "file system '%.64s' is not supported for ephemeral storage", type);
	if (str_eq(type, "hugetlbfs") && reserve_huge_pages(s, err) < 0)
		return -1;
	if (parse_mode(option(all, "mode="), 0777, &mode, err) < 0 ||
	    path_make(s->mount_point, 0755, err) < 0 ||
	    mount_words(s, *s->source ? s->source : type, type, words, mounted, err) < 0)
		return -1;
	return gid ? own(s->mount_point, gid, mode, err) : 0;
}

/* --- block devices --- */

static int add_block(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		     struct err *err)
{
	AUTO(strv) char **words = words_of(s, NULL);
	AUTO(str)
	char *node = device_block(s->driver, s->source, deadline_in(host->hotplug_ms), err);

	if (!node)
		return -1;
	if (strv_has(words, "bind")) /* a raw volume: the node itself */
		return make_file(s->mount_point, err) < 0
			       ? -1
			       : mount_words(s, node, NULL, words, mounted, err);
	if (str_empty(s->fstype))
		return err_set(err, E_INVALID, "no file system type for %s", node);
	if (path_make(s->mount_point, 0755, err) < 0)
		return -1;
	return mount_words(s, node, s->fstype, words, mounted, err);
}

static int add_watchable(const struct storage_driver_host *host, const Grpc__Storage *s,
			 bool *mounted, struct err *err)
{
	return watcher_add(host->loop, s->source, s->mount_point, mounted, err);
}

static const struct storage_driver drivers[] = {
	{ "virtio-fs", false, add_plain },
	{ "9p", false, add_plain },
	{ "overlayfs", false, add_plain },
	{ "ephemeral", true, add_ephemeral },
	{ "bind", false, add_bind },
	{ "local", true, add_local },
	{ "blk", false, add_block },
	{ "scsi", false, add_block },
	{ "nvdimm", false, add_block },
	{ "mmioblk", false, add_block },
	{ "watchable-bind", false, add_watchable },
};

const struct storage_driver *storage_driver_find(const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (str_eq(drivers[i].name, name))
			return &drivers[i];
	}
	err_set(err, E_UNSUPPORTED, "storage driver '%.64s' is not supported", name);
	return NULL;
}

bool storage_driver_is_block(const char *name)
{
	struct err unknown = ERR_INIT; /* then it is none */
	const struct storage_driver *driver = storage_driver_find(name, &unknown);

	return driver && driver->add == add_block;
}

const char *const *storage_drivers(void)
{
	static const char *names[ARRAY_LEN(drivers) + 1];

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		names[i] = drivers[i].name;
	return names;
}
