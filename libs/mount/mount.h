// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Mount options, mounting on an fd, and the mount table.
 *
 *	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
 *	if (mount_options_parse(strv, &o, err) < 0 ||
 *	    mount_attach(target, "tmpfs", "tmpfs", &o, err) < 0)
 *		return -1;
 *	if (mount_needs_finish(&o))	// open the target again: now it is the new mount's root
 *		return mount_finish(top, &o, err);
 *
 * The target is an fd (O_PATH is enough), so nobody can replace it by a symbolic link. An fd of a
 * directory keeps referring to that directory when something is mounted on it: propagation and
 * recursive attributes of the new file system need a second open, which is left to the caller,
 * because it depends on how paths are resolved there. Bind mounts are complete when mount_attach
 * returns.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount_options {
	unsigned long flags; /* MS_* for mount(2), with MS_BIND | MS_REC of bind and rbind */
	uint64_t set, clear; /* MOUNT_ATTR_* to set and to clear on this mount */
	uint64_t recursive_set, recursive_clear; /* the same with AT_RECURSIVE */
	unsigned long propagation;               /* MS_SHARED, … | MS_REC, or 0 */
	bool idmap, recursive_idmap, tmpcopyup;
	int userns;     /* for idmap: a user namespace, borrowed, set by the caller; -1: none */
	char **rest;    /* strv: the other options, which are for the file system */
	char *data;     /* rest joined with commas, or NULL */
	char **folders; /* strv: values of X-containerd.mkdir.path, which mount_at makes first */
};

enum { MOUNT_OPTIONS_MAX = 1 << 20 }; /* bytes of options for the file system */

#define MOUNT_OPTIONS_INIT    \
	{                     \
		.userns = -1, \
	}

/* Parses a strv of options into *out, which is initialized and released by the caller; later
 * options override earlier ones. Fails only with E_LIMIT (MOUNT_OPTIONS_MAX). */
MUST_CHECK int mount_options_parse(char *const *options, struct mount_options *out,
				   struct err *err);
/* The name of option i of the table; NULL after the last. */
const char *mount_options_name(size_t i);
void mount_options_release(struct mount_options *o);
DEFINE_AUTO_STRUCT(mount_options, struct mount_options, mount_options_release)

/* Mounts on target. With bind or rbind, source is a path; with remount, source and type do not
 * matter. Options longer than a page, the limit of mount(2), are E_LIMIT, except for the layers of
 * an overlay. */
MUST_CHECK int mount_attach(int target, const char *source, const char *type,
			    const struct mount_options *o, struct err *err);
/* mount_attach and mount_finish at a path that nobody else can change; first makes the directories
 * in o->folders. */
MUST_CHECK int mount_at(const char *source, const char *path, const char *type,
			const struct mount_options *o, struct err *err);
/* As mount_attach for a bind mount of source_fd (O_PATH). */
MUST_CHECK int mount_bind_fd(int target, int source_fd, const struct mount_options *o,
			     struct err *err);
/* The two halves of mount_bind_fd: mount_clone returns an fd of a complete detached mount;
 * mount_move attaches it, possibly in another mount namespace. */
MUST_CHECK int mount_clone(int source_fd, const struct mount_options *o, struct err *err);
MUST_CHECK int mount_move(int target, int tree, struct err *err);
/* Mounts a file system without attaching it: returns an fd of a complete detached mount for
 * mount_move, made with the caller's current rights and namespaces. */
MUST_CHECK int mount_detached(const char *source, const char *type, const struct mount_options *o,
			      struct err *err);
/* True if mount_finish must be called after mount_attach. */
bool mount_needs_finish(const struct mount_options *o);
/* Sets propagation and recursive attributes. mounted: an fd of the root of the new mount. */
MUST_CHECK int mount_finish(int mounted, const struct mount_options *o, struct err *err);

/* --- the mount table --- */

struct mount_entry {
	uint64_t id, parent;
	unsigned major, minor;
	uint64_t peers; /* the peer group of a shared mount, else 0 */
	char *root, *target, *options, *type, *source, *super_options; /* with escapes resolved */
};

struct mount_list {
	struct mount_entry *v;
	size_t n;
};

enum { MOUNT_LIST_MAX = 32 << 20 }; /* bytes of mountinfo: 100 000 mounts fit */

/* Parses the text of a mountinfo file (proc_pid_mountinfo(5)). A malformed line is E_PROTOCOL, and
 * the message has its number. The caller releases *out; on error it is empty. */
MUST_CHECK int mount_list_parse(const char *text, size_t len, struct mount_list *out,
				struct err *err);
/* The same for /proc/self/mountinfo. */
MUST_CHECK int mount_list_read(struct mount_list *out, struct err *err);
void mount_list_release(struct mount_list *list);
DEFINE_AUTO_STRUCT(mount_list, struct mount_list, mount_list_release)

/* True if something is mounted exactly on this clean, absolute path. */
bool mount_list_has(const struct mount_list *list, const char *target);

/* Makes the mount on path private: later mounts and unmounts below it propagate to no other mount
 * and no other namespace. */
MUST_CHECK int mount_isolate(const char *path, struct err *err);

/*
 * Detaches (MNT_DETACH, links not followed) every mount at or below a clean, absolute path. Mounts
 * that have disappeared meanwhile are no error. Mounts elsewhere are not affected, even if they are
 * peers of these.
 */
MUST_CHECK int mount_detach_below(const char *prefix, struct err *err);
