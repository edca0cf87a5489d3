// SPDX-License-Identifier: Apache-2.0
/*
 * The option table, and mounts made from it. A bind mount is cloned, gets its attributes while it
 * is detached, and is attached then, so a read-only bind mount is never writable.
 */

#include "mount/long.h"
#include "mount/mount.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of some releases exclude each other; these are the kernel's. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

#define MKDIR_OPTION "X-containerd.mkdir.path="

enum option_kind { PLAIN, INVERSE, PROPAGATION, BIND, RECURSIVE, RECURSIVE_INVERSE };

struct option {
	const char *name;
	enum option_kind kind;
	unsigned long flags;
	uint64_t attr;
};

static const struct option table[] = {
	{ "defaults", PLAIN, 0, 0 },
	{ "ro", PLAIN, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "rw", INVERSE, MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ "nosuid", PLAIN, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "suid", INVERSE, MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ "nodev", PLAIN, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "dev", INVERSE, MS_NODEV, MOUNT_ATTR_NODEV },
	{ "noexec", PLAIN, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "exec", INVERSE, MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ "sync", PLAIN, MS_SYNCHRONOUS, 0 },
	{ "async", INVERSE, MS_SYNCHRONOUS, 0 },
	{ "dirsync", PLAIN, MS_DIRSYNC, 0 },
	{ "mand", PLAIN, MS_MANDLOCK, 0 },
	{ "nomand", INVERSE, MS_MANDLOCK, 0 },
	{ "noatime", PLAIN, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "atime", INVERSE, MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ "strictatime", PLAIN, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ "nostrictatime", INVERSE, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ "relatime", PLAIN, MS_RELATIME, MOUNT_ATTR_RELATIME },
	{ "norelatime", INVERSE, MS_RELATIME, MOUNT_ATTR_RELATIME },
	{ "nodiratime", PLAIN, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "diratime", INVERSE, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", PLAIN, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "symfollow", INVERSE, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ "lazytime", PLAIN, MS_LAZYTIME, 0 },
	{ "nolazytime", INVERSE, MS_LAZYTIME, 0 },
	{ "iversion", PLAIN, MS_I_VERSION, 0 },
	{ "noiversion", INVERSE, MS_I_VERSION, 0 },
	{ "acl", PLAIN, MS_POSIXACL, 0 },
	{ "noacl", INVERSE, MS_POSIXACL, 0 },
	{ "silent", PLAIN, MS_SILENT, 0 },
	{ "loud", INVERSE, MS_SILENT, 0 },
	{ "remount", PLAIN, MS_REMOUNT, 0 },
	{ "bind", BIND, MS_BIND, 0 },
	{ "rbind", BIND, MS_BIND | MS_REC, 0 },
	{ "shared", PROPAGATION, MS_SHARED, 0 },
	{ "rshared", PROPAGATION, MS_SHARED | MS_REC, 0 },
	{ "slave", PROPAGATION, MS_SLAVE, 0 },
	{ "rslave", PROPAGATION, MS_SLAVE | MS_REC, 0 },
	{ "private", PROPAGATION, MS_PRIVATE, 0 },
	{ "rprivate", PROPAGATION, MS_PRIVATE | MS_REC, 0 },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE, 0 },
	{ "runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC, 0 },
	{ "rro", RECURSIVE, 0, MOUNT_ATTR_RDONLY },
	{ "rrw", RECURSIVE_INVERSE, 0, MOUNT_ATTR_RDONLY },
	{ "rnosuid", RECURSIVE, 0, MOUNT_ATTR_NOSUID },
	{ "rsuid", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NOSUID },
	{ "rnodev", RECURSIVE, 0, MOUNT_ATTR_NODEV },
	{ "rdev", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NODEV },
	{ "rnoexec", RECURSIVE, 0, MOUNT_ATTR_NOEXEC },
	{ "rexec", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NOEXEC },
	{ "rnodiratime", RECURSIVE, 0, MOUNT_ATTR_NODIRATIME },
	{ "rdiratime", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NODIRATIME },
	{ "rrelatime", RECURSIVE, 0, MOUNT_ATTR_RELATIME },
	{ "rnorelatime", RECURSIVE_INVERSE, 0, MOUNT_ATTR_RELATIME },
	{ "rnoatime", RECURSIVE, 0, MOUNT_ATTR_NOATIME },
	{ "ratime", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NOATIME },
	{ "rstrictatime", RECURSIVE, 0, MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", RECURSIVE_INVERSE, 0, MOUNT_ATTR_STRICTATIME },
	{ "rnosymfollow", RECURSIVE, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "rsymfollow", RECURSIVE_INVERSE, 0, MOUNT_ATTR_NOSYMFOLLOW },
};

const char *mount_options_name(size_t i)
{
	return i < ARRAY_LEN(table) ? table[i].name : NULL;
}

/* The access-time attributes are values of one field, which is cleared before one is set. */
static bool is_atime(const char *name)
{
	return str_ends(name, "atime") && !str_ends(name, "diratime");
}

static void attr_apply(uint64_t *set, uint64_t *clear, const struct option *o, bool on)
{
	if (is_atime(o->name)) {
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		*clear |= MOUNT_ATTR__ATIME;
		*set |= on ? o->attr : 0;
	} else if (on) {
		*set |= o->attr;
		*clear &= ~o->attr;
	} else {
		*set &= ~o->attr;
		*clear |= o->attr;
	}
}

static void option_apply(struct mount_options *m, const struct option *o)
{
	switch (o->kind) {
	case PLAIN:
		m->flags |= o->flags;
		attr_apply(&m->set, &m->clear, o, true);
		break;
	case INVERSE:
		m->flags &= ~o->flags;
		attr_apply(&m->set, &m->clear, o, false);
		break;
	case BIND:
		m->flags |= o->flags;
		break;
	case PROPAGATION:
		m->propagation = o->flags;
		break;
	case RECURSIVE:
		attr_apply(&m->recursive_set, &m->recursive_clear, o, true);
		break;
	case RECURSIVE_INVERSE:
		attr_apply(&m->recursive_set, &m->recursive_clear, o, false);
		break;
	}
}

static bool option_known(struct mount_options *m, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_eq(table[i].name, name)) {
			option_apply(m, &table[i]);
			return true;
		}
	}
	if (str_eq(name, "idmap") || str_eq(name, "ridmap")) {
		m->idmap = true;
		m->recursive_idmap = *name == 'r';
		return true;
	}
	if (str_starts(name, MKDIR_OPTION)) {
		strv_push(&m->folders, name + strlen(MKDIR_OPTION));
		return true;
	}
	if (str_eq(name, "tmpcopyup")) {
		m->tmpcopyup = true;
		return true;
	}
	return false;
}

int mount_options_parse(char *const *options, struct mount_options *out, struct err *err)
{
	size_t len = 0;

	strv_each(o, options) {
		if (!**o || option_known(out, *o))
			continue;
		len += strlen(*o) + 1;
		if (len > MOUNT_OPTIONS_MAX)
			return err_set(err, E_LIMIT, "mount options are longer than %d bytes",
				       MOUNT_OPTIONS_MAX);
		strv_push(&out->rest, *o);
	}
	if (out->rest)
		out->data = strv_join(out->rest, ",");
	return 0;
}

void mount_options_release(struct mount_options *o)
{
	strv_free(o->rest);
	strv_free(o->folders);
	free(o->data);
	*o = (struct mount_options)MOUNT_OPTIONS_INIT;
}

static int set_attr(int fd, bool recursive, struct mount_attr attr, struct err *err)
{
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (!attr.attr_set && !attr.attr_clr && !attr.propagation)
		return 0;
	if (syscall(SYS_mount_setattr, fd, "", flags, &attr, sizeof(attr)) < 0)
		return err_sys(err, "set mount attributes");
	return 0;
}

static int set_propagation(int fd, unsigned long propagation, struct err *err)
{
	struct mount_attr attr = { .propagation = propagation & ~(unsigned long)MS_REC };

	return set_attr(fd, propagation & MS_REC, attr, err);
}

static int set_recursive(int fd, const struct mount_options *o, struct err *err)
{
	struct mount_attr attr = { .attr_set = o->recursive_set, .attr_clr = o->recursive_clear };

	return set_attr(fd, true, attr, err);
}

static int set_idmap(int fd, const struct mount_options *o, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };

	if (!o->idmap)
		return 0;
	if (o->userns < 0)
		return err_set(err, E_INVALID, "idmap without a mapping");
	attr.userns_fd = (uint64_t)o->userns;
	return set_attr(fd, o->recursive_idmap, attr, err);
}

int mount_clone(int source_fd, const struct mount_options *o, struct err *err)
{
	struct mount_attr attr = { .attr_set = o->set, .attr_clr = o->clear };
	AUTO(fd)
	int tree = (int)syscall(SYS_open_tree, source_fd, "",
				AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
					(o->flags & MS_REC ? AT_RECURSIVE : 0));

	if (tree < 0)
		return err_sys(err, "clone the mount");
	if (set_idmap(tree, o, err) < 0 || set_attr(tree, false, attr, err) < 0 ||
	    set_recursive(tree, o, err) < 0 || set_propagation(tree, o->propagation, err) < 0)
		return -1;
	return STEAL(tree, -1);
}

int mount_move(int target, int tree, struct err *err)
{
	if (syscall(SYS_move_mount, tree, "", target, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, "attach the mount");
	return 0;
}

int mount_bind_fd(int target, int source_fd, const struct mount_options *o, struct err *err)
{
	AUTO(fd) int tree = mount_clone(source_fd, o, err);

	return tree < 0 ? -1 : mount_move(target, tree, err);
}

int mount_attach(int target, const char *source, const char *type, const struct mount_options *o,
		 struct err *err)
{
	struct path_fd path = path_of_fd(target);

	if ((o->flags & MS_BIND) && !(o->flags & MS_REMOUNT)) {
		AUTO(fd) int from = open(source, O_PATH | O_CLOEXEC);

		if (from < 0)
			return err_sys(err, "open %s", source);
		return mount_bind_fd(target, from, o, err) < 0 ? err_wrap(err, "bind %s", source)
							       : 0;
	}
	if (o->folders)
		return err_set(err, E_INVALID, MKDIR_OPTION " is only for mounts of the host");
	if (o->data && strlen(o->data) > MOUNT_DATA_MAX)
		return mount_long(target, source, type, o, err);
	if (mount(source, path.path, type, o->flags, o->data) < 0)
		return err_sys(err, "mount %s from %s", str_empty(type) ? "file system" : type,
			       str_empty(source) ? "nothing" : source);
	return 0;
}

bool mount_needs_finish(const struct mount_options *o)
{
	if (o->flags & (MS_BIND | MS_REMOUNT))
		return false;
	return o->propagation || o->recursive_set || o->recursive_clear || o->idmap;
}

int mount_finish(int mounted, const struct mount_options *o, struct err *err)
{
	if (o->idmap)
		return err_set(err, E_UNSUPPORTED, "idmap of a mount that is not a bind mount");
	if (set_recursive(mounted, o, err) < 0)
		return -1;
	return set_propagation(mounted, o->propagation, err);
}

/* "PATH[:MODE[:UID[:GID]]]"; an existing directory is not changed. */
static int folder_make(const char *text, struct err *err)
{
	AUTO(strv) char **part = strv_split(text, ":");
	size_t n = strv_len(part);
	uint64_t mode = 0700, uid = (uint64_t)-1, gid = (uint64_t)-1;

	if (n < 1 || n > 4 || *part[0] != '/')
		return err_set(err, E_INVALID, "'%s' is not PATH:MODE:UID:GID", text);
	if ((n > 1 && str_u64(part[1], 8, 0, 07777, "mode", &mode, err) < 0) ||
	    (n > 2 && str_u64(part[2], 10, 0, UINT32_MAX, "uid", &uid, err) < 0) ||
	    (n > 3 && str_u64(part[3], 10, 0, UINT32_MAX, "gid", &gid, err) < 0))
		return -1;
	AUTO(str) char *parent = xstrndup(part[0], (size_t)(path_basename(part[0]) - part[0]));
	if (path_make(parent, 0755, err) < 0)
		return -1;
	if (mkdir(part[0], 0700) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make %s", part[0]);
	if (chown(part[0], (uid_t)uid, (gid_t)gid) < 0 || chmod(part[0], (mode_t)mode) < 0)
		return err_sys(err, "set up %s", part[0]);
	return 0;
}

/* containerd's type prefix for mounts whose directories must be made first. */
static const char *without_mkdir(const char *type)
{
	return type && str_starts(type, "mkdir/") ? type + strlen("mkdir/") : type;
}

int mount_at(const char *source, const char *path, const char *type, const struct mount_options *o,
	     struct err *err)
{
	AUTO(fd) int target = open(path, O_PATH | O_CLOEXEC);
	struct mount_options rest = *o; /* borrows */
	AUTO(fd) int top = -1;

	if (target < 0)
		return err_sys(err, "open %s", path);
	strv_each(folder, o->folders) {
		if (folder_make(*folder, err) < 0)
			return err_wrap(err, MKDIR_OPTION);
	}
	rest.folders = NULL;
	if (mount_attach(target, source, without_mkdir(type), &rest, err) < 0)
		return err_wrap(err, "mount on %s", path);
	if (!mount_needs_finish(o))
		return 0;
	top = open(path, O_PATH | O_CLOEXEC);
	if (top < 0)
		return err_sys(err, "open %s", path);
	return mount_finish(top, o, err);
}
