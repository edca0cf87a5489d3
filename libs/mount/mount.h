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
 * The target is an fd (O_PATH will do), so nobody can swap a symbolic link under a mount. An fd of
 * a directory goes on naming that directory when something is mounted on it: what is to be done to
 * a new file system (propagation, recursive attributes) needs a second open, by the caller, who
 * knows how names are resolved there. Bind mounts are complete when mount_attach returns.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount_options {
	unsigned long flags; /* MS_* for mount(2), with MS_BIND | MS_REC of bind and rbind */
	uint64_t set, clear; /* MOUNT_ATTR_* that were asked for by name, for this mount */
	uint64_t recursive_set, recursive_clear; /* the same with AT_RECURSIVE */
	unsigned long propagation;               /* MS_SHARED, … | MS_REC, or 0 */
	bool idmap, recursive_idmap, tmpcopyup;
	int userns;     /* for idmap: the mapping, borrowed, set by the caller; -1 is none */
	char **rest;    /* strv: what the table does not know is the file system's */
	char *data;     /* rest joined with commas, or NULL */
	char **folders; /* strv: X-containerd.mkdir.path, made by mount_at before it mounts */
};

enum { MOUNT_OPTIONS_MAX = 1 << 20 }; /* bytes: more are E_LIMIT */

#define MOUNT_OPTIONS_INIT    \
	{                     \
		.userns = -1, \
	}

/* Later options override earlier ones. Does not fail but for idmap without a kernel's support. */
MUST_CHECK int mount_options_parse(char *const *options, struct mount_options *out,
				   struct err *err);
void mount_options_release(struct mount_options *o);
DEFINE_AUTO_STRUCT(mount_options, struct mount_options, mount_options_release)

/* Mounts on target. With bind or rbind, source is a path; with remount, source and type do not
 * matter. Options longer than mount(2) takes are E_LIMIT, but for an overlay's layers. */
MUST_CHECK int mount_attach(int target, const char *source, const char *type,
			    const struct mount_options *o, struct err *err);
/* Attach and finish at a path of our own, that nobody else can change meanwhile; before it, the
 * directories that the options name are made. */
MUST_CHECK int mount_at(const char *source, const char *path, const char *type,
			const struct mount_options *o, struct err *err);
/* As mount_attach for a bind of what source_fd (O_PATH) names. */
MUST_CHECK int mount_bind_fd(int target, int source_fd, const struct mount_options *o,
			     struct err *err);
/* The two halves of it: a tree that is complete and mounted nowhere yet, as an fd; and its place,
 * which may be in another mount namespace. */
MUST_CHECK int mount_clone(int source_fd, const struct mount_options *o, struct err *err);
MUST_CHECK int mount_move(int target, int tree, struct err *err);
/* A new file system that is mounted nowhere yet, complete, as an fd for mount_move: made with the
 * rights and in the namespaces that we have now. */
MUST_CHECK int mount_detached(const char *source, const char *type, const struct mount_options *o,
			      struct err *err);
bool mount_needs_finish(const struct mount_options *o);
MUST_CHECK int mount_finish(int mounted, const struct mount_options *o, struct err *err);

/* --- the mount table --- */

struct mount_entry {
	uint64_t id, parent;
	unsigned major, minor;
	uint64_t peers; /* its group, if it is shared: mounts on one of them appear on all; or 0 */
	char *root, *target, *options, *type, *source, *super_options; /* unescaped */
};

struct mount_list {
	struct mount_entry *v;
	size_t n;
};

enum { MOUNT_LIST_MAX = 32 << 20 }; /* bytes of mountinfo: 100 000 mounts fit */

/* The text of a mountinfo file. A line that is not one is E_PROTOCOL with its number. */
MUST_CHECK int mount_list_parse(const char *text, size_t len, struct mount_list *out,
				struct err *err);
/* Ours: /proc/self/mountinfo. */
MUST_CHECK int mount_list_read(struct mount_list *out, struct err *err);
void mount_list_release(struct mount_list *list);
DEFINE_AUTO_STRUCT(mount_list, struct mount_list, mount_list_release)

/* True if something is mounted exactly on this clean, absolute path. */
bool mount_list_has(const struct mount_list *list, const char *target);

/* Makes the mount on path private: what is mounted and unmounted below it later is passed on to no
 * other mount and no other namespace. */
MUST_CHECK int mount_isolate(const char *path, struct err *err);

/*
 * Detaches (MNT_DETACH, links not followed) every mount at or below a clean, absolute path, with
 * what is mounted below it. Mounts that are gone meanwhile are no error. What is mounted elsewhere stays,
 * also where one of these is a peer of a mount elsewhere.
 */
MUST_CHECK int mount_detach_below(const char *prefix, struct err *err);
