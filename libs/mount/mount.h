// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Mount options as people write them, the table of what is mounted, and undoing mounts.
 *
 *	AUTO(mount_options) struct mount_options o;
 *	if (mount_options_parse(mount->options, &o, err) < 0 ||
 *	    mount_apply(source, "/proc/self/fd/7", type, &o, err) < 0)
 *		...
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct mount_options {
	unsigned long flags;       /* MS_*; with MS_BIND the rest needs a remount */
	unsigned long propagation; /* MS_SHARED ... MS_UNBINDABLE, with MS_REC, or 0 */
	uint64_t recursive_set, recursive_clear; /* MOUNT_ATTR_* of the r* options */
	char *data;                              /* what the file system gets, "" if nothing */
};

/* The OCI specification's list (config.md, "Linux mount options"); unknown words go into data.
 * idmap and ridmap are E_UNSUPPORTED. */
MUST_CHECK int mount_options_parse(char *const *options, struct mount_options *out,
				   struct err *err);
void mount_options_release(struct mount_options *o);
DEFINE_AUTO_STRUCT(mount_options, struct mount_options, mount_options_release)

/*
 * Mounts source on target with all its options: the mount, the remount that gives a bind its flags,
 * propagation, recursive attributes. target must name the place itself (a path of ours, or
 * /proc/self/fd/N of an fd that was resolved beneath a root); top names the mounted thing the same
 * way and is asked for once it is mounted.
 */
struct mount_target {
	const char *path; /* where to mount */
	/* Opens the top of the new mount (O_PATH): for a bind, the options are put on that. */
	int (*reopen)(void *arg, struct err *err);
	void *arg;
};
MUST_CHECK int mount_apply(const char *source, const struct mount_target *target, const char *type,
			   const struct mount_options *o, struct err *err);
/* The same for a path that nobody else can change meanwhile. */
MUST_CHECK int mount_at(const char *source, const char *path, const char *type,
			const struct mount_options *o, struct err *err);

struct mount_entry {
	int id, parent;
	char *root, *path, *type, *source;
};

struct mount_table {
	VEC(struct mount_entry) entries; /* in the order of mounting */
};

/* proc_pid_mountinfo(5). At most 64 MiB and 100 000 lines. */
MUST_CHECK int mount_table_parse(const char *text, size_t len, struct mount_table *out,
				 struct err *err);
MUST_CHECK int mount_table_read(struct mount_table *out, struct err *err);
void mount_table_release(struct mount_table *t);
DEFINE_AUTO_STRUCT(mount_table, struct mount_table, mount_table_release)

/* Detaches every mount at or below a clean absolute path, last first. None is success. */
MUST_CHECK int mount_detach_below(const char *path, struct err *err);
