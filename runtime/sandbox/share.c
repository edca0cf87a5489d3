// SPDX-License-Identifier: Apache-2.0
/* The host side of the shared files: bind mounts below one directory. */

#include "sandbox/sandbox.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int bind(const char *source, const char *target, bool readonly, struct err *err)
{
	AUTO(strv) char **options = strv_split(readonly ? "rbind rro" : "rbind", " ");
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;

	if (mount_options_parse(options, &o, err) < 0)
		return -1;
	return mount_at(source, target, NULL, &o, err);
}

int sandbox_share_rootfs(struct sandbox *s, const char *container, const char *rootfs, char **guest,
			 struct err *err)
{
	AUTO(str) char *target = str_fmt("%s/%s/rootfs", s->share_dir, container);

	if (path_make(target, 0755, err) < 0 || bind(rootfs, target, false, err) < 0)
		return err_wrap(err, "share the root file system");
	*guest = str_fmt(GUEST_SHARE_DIR "/%s/rootfs", container);
	return 0;
}

/* Binds a file or directory of the host to name below the shared directory. */
static int share_at(struct sandbox *s, const char *source, const char *name, bool readonly,
		    struct err *err)
{
	AUTO(str) char *target = path_join(s->share_dir, name);
	struct stat st;

	if (stat(source, &st) < 0)
		return err_sys(err, "share %s", source);
	if (S_ISDIR(st.st_mode)) {
		if (path_make(target, 0755, err) < 0)
			return -1;
	} else {
		AUTO(fd) int fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_sys(err, "make %s", target);
	}
	if (bind(source, target, readonly, err) < 0)
		return err_wrap(err, "share %s", source);
	return 0;
}

int sandbox_share(struct sandbox *s, const char *container, const char *source,
		  const char *destination, bool readonly, char **guest, struct err *err)
{
	AUTO(str) char *name = NULL;
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(err, "get random bytes");
	name = str_fmt("%s-%016" PRIx64 "-%s", container, random, path_basename(destination));
	if (share_at(s, source, name, readonly, err) < 0)
		return -1;
	*guest = str_fmt(GUEST_SHARE_DIR "/%s", name);
	return 0;
}

/* "/path", "/path:ro" or "/path:rw". */
static int share_configured(struct sandbox *s, const char *entry, struct err *err)
{
	bool writable = str_ends(entry, ":rw");
	size_t len = strlen(entry) - (writable || str_ends(entry, ":ro") ? 3 : 0);
	AUTO(str) char *path = xstrndup(entry, len), *source = path_clean(path), *name = NULL;
	AUTO(str) char *target = NULL;

	if (*source != '/' || !*path_basename(source))
		return err_set(err, E_CONFIG, "sandbox_bind_mounts: '%s' is not an absolute path",
			       entry);
	name = str_fmt("sandbox-mounts/%s", path_basename(source));
	target = path_join(s->share_dir, name);
	if (path_exists(target))
		return err_set(err, E_CONFIG, "sandbox_bind_mounts: there are two named '%s'",
			       path_basename(source));
	return share_at(s, source, name, !writable, err);
}

int sandbox_share_configured(struct sandbox *s, struct err *err)
{
	AUTO(str) char *dir = path_join(s->share_dir, "sandbox-mounts");

	if (!s->config->sandbox_bind_mounts)
		return 0;
	if (path_make(dir, 0755, err) < 0)
		return -1;
	strv_each(entry, s->config->sandbox_bind_mounts) {
		if (share_configured(s, *entry, err) < 0)
			return err_wrap(err, "%s", s->config->file);
	}
	return 0;
}
