// SPDX-License-Identifier: Apache-2.0
/* Makes and removes the bind mounts below the shared directory. */

#include "share/share.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"
#include "share/choice.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* --- binds --- */

/*
 * Binds source to name, an existing path in the share. On a host with shared mounts (systemd's default) a plain bind mount joins
 * the peer group of its source: unmounting below it would unmount on the host too, and later mounts
 * of the host would appear here and be kept busy. So the detached copy is made private before it is
 * attached, or a slave, which receives mounts and unmounts from the host and sends none back. The
 * share itself is a mount with a peer group of its own, without a member on the host. virtiofsd has
 * its copy in another mount namespace as a slave of it, and so sees later mounts below the share.
 */
static int bind(const struct share *s, int source, const char *name, const struct share_how *how,
		struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **options = NULL;
	AUTO(fd) int tree = -1;

	strv_push(&options, how->recursive ? "rbind" : "bind");
	strv_push(&options, how->follows ? "rslave" : "rprivate");
	if (how->readonly)
		strv_push(&options, "ro");
	if (how->readonly_below)
		strv_push(&options, "rro");
	if (mount_options_parse(options, &o, err) < 0)
		return -1;
	tree = mount_clone(source, &o, err);
	return tree < 0 ? -1 : mountns_attach(&s->mountns, tree, name, err);
}

int share_open(struct share *s, struct err *err)
{
	if (share_is_none(s))
		return 0;
	return mountns_make(&s->mountns, s->dir, err) < 0 ? err_wrap(err, "share %s", s->dir) : 0;
}

int share_narrow(const struct share *s, struct err *err)
{
	return mountns_narrow(&s->mountns, s->dir, err);
}

int share_rootfs(const struct share *s, const char *container, const char *rootfs, char **guest,
		 struct err *err)
{
	const struct share_how whole = { .recursive = true };
	AUTO(str) char *name = str_fmt("%s/rootfs", container);
	AUTO(str) char *target = path_join(s->dir, name);
	AUTO(fd) int source = open(rootfs, O_PATH | O_CLOEXEC);

	if (source < 0)
		return err_sys(err, "open the root file system %s", rootfs);
	if (path_make(target, 0755, err) < 0 || bind(s, source, name, &whole, err) < 0)
		return err_wrap(err, "share the root file system %s", rootfs);
	*guest = share_guest_rootfs(container);
	return 0;
}

char *share_guest_rootfs(const char *container)
{
	return str_fmt(SHARE_GUEST_DIR "/%s/rootfs", container);
}

/* Makes the mount point: an empty directory or file at an unused path. */
static int make_target(const char *target, bool directory, struct err *err)
{
	AUTO(fd) int fd = -1;

	if (directory)
		return mkdir(target, 0755) < 0 ? err_sys(err, "make directory %s", target) : 0;
	fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(err, "make file %s", target) : 0;
}

/* Binds a file or directory of the host to name below the shared directory. On failure nothing is
 * left there: the pod stays, and its next container may fail in the same way. */
static int share_at(const struct share *s, int source, const char *name,
		    const struct share_how *how, struct err *err)
{
	AUTO(str) char *target = path_join(s->dir, name);
	struct stat st;

	if (fstat(source, &st) < 0)
		return err_sys(err, "look at it");
	if (make_target(target, S_ISDIR(st.st_mode), err) < 0)
		return -1;
	if (bind(s, source, name, how, err) == 0)
		return 0;
	(void)unlinkat(AT_FDCWD, target, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	return -1;
}

/* *out: another file system is mounted below the directory. */
static int has_mounts_below(int source, bool *out, struct err *err)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	AUTO(str) char *path = fd_path(source);

	*out = false;
	if (mount_list_read(&list, err) < 0)
		return -1;
	for (size_t i = 0; path && i < list.n && !*out; i++)
		*out = !str_eq(list.v[i].target, path) && path_is_below(list.v[i].target, path);
	return 0;
}

/* --- volumes --- */

bool share_is_none(const struct share *s)
{
	return str_eq(s->config->shared_fs, SHARE_NONE);
}

void share_init(struct share *s, const char *dir, const struct runtime_config *config)
{
	*s = (struct share){ .dir = dir,
			     .mountns = MOUNTNS_NONE,
			     .config = config,
			     .lock = PTHREAD_MUTEX_INITIALIZER };
}

static void volume_release(struct share_volume *v)
{
	free(v->name);
	strv_free(v->users);
}

void share_release(struct share *s)
{
	vec_each(struct share_volume, v, &s->volumes)
		volume_release(v);
	vec_release(&s->volumes);
	mountns_release(&s->mountns);
	(void)pthread_mutex_destroy(&s->lock);
}

static int identify(int source, struct share_volume *v, struct err *err)
{
	struct statx st;

	if (statx(source, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) < 0)
		return err_sys(err, "look at it");
	v->mount = st.stx_mnt_id;
	v->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	v->inode = st.stx_ino;
	return 0;
}

/* True if a volume of the share is what want asks for. A recursive mount that does not follow the
 * host has what was mounted below the source when it was made, which may have changed; so it serves
 * only if nothing was mounted there, then and now. */
static bool serves(const struct share_volume *has, const struct share_volume *want)
{
	const struct share_how *h = &has->how, *w = &want->how;

	return has->mount == want->mount && has->device == want->device &&
	       has->inode == want->inode && h->recursive == w->recursive &&
	       h->readonly == w->readonly && h->readonly_below == w->readonly_below &&
	       h->follows == w->follows && (h->follows || (has->bare && want->bare));
}

static struct share_volume *find_volume(struct share *s, const struct share_volume *want)
{
	vec_each(struct share_volume, v, &s->volumes) {
		if (serves(v, want))
			return v;
	}
	return NULL;
}

/* Mounts a new volume. Its name is random: a name made from the destination could become too
 * long. */
static int make_volume(struct share *s, int source, struct share_volume *v, struct err *err)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(err, "get random bytes");
	v->name = str_fmt("mount-%016" PRIx64, random);
	return share_at(s, source, v->name, &v->how, err);
}

static int add_locked(struct share *s, int source, struct share_volume *want, const char *container,
		      struct shared *out, struct err *err)
{
	struct share_volume *v = find_volume(s, want);

	if (!v) {
		if (make_volume(s, source, want, err) < 0) {
			volume_release(want);
			return -1;
		}
		vec_push(&s->volumes, *want);
		v = &s->volumes.v[s->volumes.n - 1];
	}
	strv_push(&v->users, container);
	out->guest = str_fmt(SHARE_GUEST_DIR "/%s", v->name);
	return 0;
}

int share_add(struct share *s, const char *container, const char *source,
	      const struct share_how *how, struct shared *out, struct err *err)
{
	AUTO(fd) int from = open(source, O_PATH | O_CLOEXEC);
	struct share_volume want = { .how = *how };
	bool below = false;
	int result;

	if (from < 0)
		return err_sys(err, "share %s", source);
	if (identify(from, &want, err) < 0 ||
	    (how->recursive && has_mounts_below(from, &below, err) < 0))
		return err_wrap(err, "share %s", source);
	want.bare = !below;
	out->writable_below = how->readonly && !how->readonly_below && (below || how->follows);
	(void)pthread_mutex_lock(&s->lock);
	result = add_locked(s, from, &want, container, out, err);
	(void)pthread_mutex_unlock(&s->lock);
	return result < 0 ? err_wrap(err, "share %s", source) : 0;
}

/* Removes a mount, and the directory or file of the share that it is in: in the host's namespace
 * nothing is mounted there. */
static int remove_mount(const struct share *s, const char *mounted, const char *in, struct err *err)
{
	AUTO(str) char *path = path_join(s->dir, in);

	if (s->mountns.ns >= 0 && mountns_detach(&s->mountns, mounted, err) < 0)
		return -1;
	return path_remove_tree(path, err);
}

/* Goes on after a failure, and reports the first one. */
static int remove_volumes(struct share *s, const char *container, struct err *err)
{
	for (size_t i = s->volumes.n; i-- > 0;) {
		struct share_volume *v = &s->volumes.v[i];
		struct err failed = ERR_INIT;

		strv_remove(v->users, container);
		if (strv_len(v->users))
			continue;
		if (remove_mount(s, v->name, v->name, &failed) < 0 && !err->code)
			*err = failed;
		volume_release(v);
		vec_remove(&s->volumes, i);
	}
	return err->code ? -1 : 0;
}

/* All of the container's mounts, whatever fails: one that stays keeps its image layers busy. The
 * first failure is reported. */
int share_remove(struct share *s, const char *container, struct err *err)
{
	AUTO(str) char *rootfs = str_fmt("%s/rootfs", container);
	struct err failed = ERR_INIT;

	(void)pthread_mutex_lock(&s->lock);
	(void)!remove_volumes(s, container, err);
	(void)pthread_mutex_unlock(&s->lock);
	if (remove_mount(s, rootfs, container, &failed) < 0 && !err->code)
		*err = failed;
	return err->code ? -1 : 0;
}

/* --- sandbox_bind_mounts --- */

/* Shares an entry: "/path", "/path:ro" or "/path:rw". */
static int add_configured(const struct share *s, const char *entry, struct err *err)
{
	bool writable = str_ends(entry, ":rw");
	size_t len = strlen(entry) - (writable || str_ends(entry, ":ro") ? 3 : 0);
	AUTO(str) char *path = xstrndup(entry, len), *source = path_clean(path), *name = NULL;
	const struct share_how how = { .recursive = true, .readonly_below = !writable };
	AUTO(str) char *target = NULL;
	AUTO(fd) int from = -1;

	if (*source != '/' || !*path_basename(source))
		return err_set(err, E_CONFIG,
			       "sandbox_bind_mounts: '%s' is not an absolute path; write "
			       "/DIR, /DIR:ro or /DIR:rw",
			       entry);
	name = str_fmt("sandbox-mounts/%s", path_basename(source));
	target = path_join(s->dir, name);
	if (path_exists(target))
		return err_set(err, E_CONFIG,
			       "sandbox_bind_mounts: two entries are named '%s'; rename one, since "
			       "the guest knows them by their last component",
			       path_basename(source));
	from = open(source, O_PATH | O_CLOEXEC);
	if (from < 0)
		return err_sys(err, "sandbox_bind_mounts: share %s", source);
	if (share_at(s, from, name, &how, err) < 0)
		return err_wrap(err, "sandbox_bind_mounts: share %s", source);
	return 0;
}

int share_configured(const struct share *s, struct err *err)
{
	AUTO(str) char *dir = path_join(s->dir, "sandbox-mounts");

	if (!s->config->sandbox_bind_mounts)
		return 0;
	if (share_is_none(s)) {
		err_set(err, E_CONFIG,
			"%s: sandbox_bind_mounts: nothing can be shared with shared_fs = "
			"\"" SHARE_NONE "\"",
			s->config->file);
		return err_hint(err, "remove one of the two");
	}
	if (path_make(dir, 0755, err) < 0)
		return -1;
	strv_each(entry, s->config->sandbox_bind_mounts) {
		if (add_configured(s, *entry, err) < 0)
			return err_wrap(err, "%s", s->config->file);
	}
	return 0;
}
