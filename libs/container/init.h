// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The re-executed process while it turns into a container's process, and the steps that it takes.
 * It is single-threaded, not dumpable, and has no fd open but its streams, the socket to its maker,
 * and what a step holds.
 */

#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <sys/types.h>

enum { INIT_SOCK = 3, INIT_EXE = 4, INIT_NS = 5 }; /* fd numbers; INIT_NS + ns_kind: to join */

struct init {
	int sock;
	bool exec; /* a further process of a container that runs: no root to be set up */
	bool seccomp;
	char *id, *bundle, *root;
	bool cgroup_v2;
	/* strv "NAME\nOPTIONS\nFOLDER" of each hierarchy: its name below /sys/fs/cgroup, mount
	 * data, our folder in it. */
	char **cgroup_mounts;
	struct oci_spec *spec;
	pid_t pid;   /* as our maker sees it */
	int *trees;  /* one per mount of the spec: made by trees_open, or -1; NULL for an exec */
	int root_fd; /* O_PATH, the container's root; -1 after pivot */
};

/* rootfs.c: everything up to the hooks, between hooks and pivot_root, and that. */
MUST_CHECK int rootfs_build(struct init *in, struct err *err);
MUST_CHECK int rootfs_seal(struct init *in, struct err *err);
MUST_CHECK int rootfs_enter(struct init *in, struct err *err);
/* After the working directory was made. */
MUST_CHECK int rootfs_readonly(const struct init *in, struct err *err);
/* Opens or makes the target of a mount beneath root; like is a mode whose type counts. */
MUST_CHECK int rootfs_target(int root, const char *path, mode_t like, struct err *err);
/* The same; a name that leads into a proc file system is refused. */
MUST_CHECK int rootfs_plain_target(int root, const char *path, mode_t like, struct err *err);

/* Where a mount goes, clean and absolute, heap: "dev/" is "/dev". */
char *rootfs_destination(const struct oci_mount *m);
struct mount_options;
bool rootfs_is_bind(const struct oci_mount *m, const struct mount_options *o);

/* tree.c: prepares the mounts that need more rights than the container's user namespace has, while
 * we have them: before any namespace is made. It may enter one that the container joins. */
MUST_CHECK int trees_open(struct init *in, struct err *err);
/* What a bind mount mounts, relative to the bundle, and its type in *like. */
MUST_CHECK int rootfs_source(const struct init *in, const char *source, mode_t *like,
			     struct err *err);

/* copyup.c: copies what is in a directory that was mounted on into what was mounted. */
MUST_CHECK int rootfs_copy_up(int under, int top, struct err *err);

/* device.c */
MUST_CHECK int devices_make(const struct init *in, struct err *err);
/* An O_PATH fd of the genuine /dev/null of the file system that we see. */
MUST_CHECK int device_null(struct err *err);

/* cgroup_mount.c */
MUST_CHECK int cgroup_mount(const struct init *in, const struct oci_mount *m, struct err *err);

/* terminal.c: a pty of the devpts at /dev/pts beneath root becomes the streams 0 to 2; its master
 * is sent. With console, the slave is bound to /dev/console. */
MUST_CHECK int terminal_open(const struct init *in, int root, bool console, struct err *err);

/* sysctl.c: those of the namespaces that are the container's. */
MUST_CHECK int sysctls_apply(const struct oci_linux *l, struct err *err);

/* capability.c: the bounding set goes before, the rest after the change of user. */
struct capability_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};
MUST_CHECK int capabilities_parse(const struct init *in, struct capability_sets *out,
				  struct err *err);
/* The effective set becomes what of wanted is permitted; *before (may be NULL) is the set until
 * now. */
MUST_CHECK int capabilities_effective(uint64_t wanted, uint64_t *before, struct err *err);
MUST_CHECK int capabilities_bound(const struct capability_sets *s, struct err *err);
MUST_CHECK int capabilities_apply(const struct capability_sets *s, struct err *err);

/* seccomp.c: *filter is NULL if there is nothing to load. */
struct seccomp_filter;
MUST_CHECK int seccomp_build(const struct init *in, struct seccomp_filter **filter,
			     struct err *err);
MUST_CHECK int seccomp_install(struct seccomp_filter *filter, struct err *err);

/* user.c */
MUST_CHECK int user_groups(const struct oci_user *u, struct err *err);
MUST_CHECK int user_become(const struct oci_user *u, struct err *err);
/* Between the two, files are looked at as the user will see them. */
struct user_view {
	uint64_t effective; /* our capabilities, to be had again */
};
MUST_CHECK int user_view_enter(const struct oci_user *u, const struct capability_sets *caps,
			       struct user_view *view, struct err *err);
void user_view_leave(const struct user_view *view);
/* The home directory of a uid in the text of a passwd file, heap, or NULL. */
char *user_home_in(const char *passwd, uid_t uid);
/* Gives the environment a HOME if it has none or an empty one; the root is the container's. */
void user_set_home(struct oci_process *p);

/* process.c: what init and further processes have in common. */
struct process {
	struct capability_sets caps;
	struct seccomp_filter *filter;
};
MUST_CHECK int process_prepare(struct init *in, struct process *p, struct err *err);
/* Gives up all rights and executes the program; returns only on error. */
MUST_CHECK int process_exec(struct init *in, struct process *p, struct err *err);
