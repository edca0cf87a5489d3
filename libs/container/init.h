// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The re-executed process while it becomes a container's process, and the steps it takes. It is
 * single-threaded and not dumpable, and its only open fds are its streams, the socket to its
 * parent, and those a step has opened.
 */

#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <sys/types.h>

enum { INIT_SOCK = 3, INIT_EXE = 4, INIT_NS = 5 }; /* fd numbers; INIT_NS + ns_kind: to join */

/*
 * The orders of the parent are NUL-terminated texts: id, bundle, root, one of each pair below, the
 * cgroup_mounts, and an empty text. The packed specification (oci_spec_pack) follows.
 */
enum { ORDER_TEXTS = 6 };
#define ORDER_EXEC       "exec"
#define ORDER_CREATE     "create"
#define ORDER_SECCOMP    "seccomp"
#define ORDER_NO_SECCOMP "no seccomp"
#define ORDER_CGROUP_V1  "v1"
#define ORDER_CGROUP_V2  "v2"

struct init {
	int sock;
	bool exec; /* an additional process of a running container: no root to set up */
	bool seccomp;
	char *id, *bundle, *root;
	bool cgroup_v2;
	/* strv, for each hierarchy "NAME\nOPTIONS\nDIRECTORY": its name below /sys/fs/cgroup, the
	 * data for mount(2), and the container's directory in it. */
	char **cgroup_mounts;
	struct oci_spec *spec;
	pid_t pid;   /* in the parent's pid namespace */
	int *trees;  /* for each mount of the spec the fd that trees_open made, or -1; NULL: exec */
	int root_fd; /* O_PATH, the container's root; -1 after pivot */
};

/* rootfs.c: rootfs_build does everything up to the hooks, rootfs_seal what comes between the hooks
 * and pivot_root, rootfs_enter calls pivot_root. */
MUST_CHECK int rootfs_build(struct init *in, struct err *err);
MUST_CHECK int rootfs_seal(struct init *in, struct err *err);
MUST_CHECK int rootfs_enter(struct init *in, struct err *err);
/* Makes the root read-only if the specification wants it; called after the working directory was
 * made. */
MUST_CHECK int rootfs_readonly(const struct init *in, struct err *err);
/* Makes the mount at fd itself read-only, not a bind mount on top of it. */
MUST_CHECK int rootfs_seal_mount(int fd, struct err *err);
/* Opens or makes the target of a mount beneath root: a directory if like (a mode) is one, else a
 * file. Returns an O_PATH fd. */
MUST_CHECK int rootfs_target(int root, const char *path, mode_t like, struct err *err);
/* As rootfs_target, but refuses a path that resolves into a proc file system. */
MUST_CHECK int rootfs_plain_target(int root, const char *path, mode_t like, struct err *err);

/* The destination of a mount, clean and absolute, heap: "/dev" for "dev/". */
char *rootfs_destination(const struct oci_mount *m);
struct mount_options;
bool rootfs_is_bind(const struct oci_mount *m, const struct mount_options *o);
/* The mount of the specification on /dev; the last if there are several. */
struct rootfs_dev {
	bool bound; /* a bind mount belongs to its source: no devices are made in it */
	bool readonly;
};
MUST_CHECK int rootfs_dev(const struct init *in, struct rootfs_dev *out, struct err *err);

/* tree.c: prepares the mounts that need more privileges than the container's user namespace gives.
 * Called before any namespace is made; it may enter namespaces that the container joins. */
MUST_CHECK int trees_open(struct init *in, struct err *err);
/* Opens the source of a bind mount, which may be relative to the bundle; *like is its mode. */
MUST_CHECK int rootfs_source(const struct init *in, const char *source, mode_t *like,
			     struct err *err);

/* copyup.c: copies the contents of the covered directory into the tmpfs mounted on it. */
MUST_CHECK int rootfs_copy_up(int under, int top, struct err *err);

/* device.c */
MUST_CHECK int devices_make(const struct init *in, struct err *err);
/* An O_PATH fd of /dev/null, checked to be the null device. */
MUST_CHECK int device_null(struct err *err);

/* cgroup_mount.c */
MUST_CHECK int cgroup_mount(const struct init *in, const struct oci_mount *m, struct err *err);

/* terminal.c: a pty of the devpts at /dev/pts beneath root becomes the streams 0 to 2; its master
 * is sent to the parent. With console, the slave is bound to /dev/console. */
MUST_CHECK int terminal_open(const struct init *in, int root, bool console, struct err *err);

/* sysctl.c: sets the sysctls of the container's own namespaces. */
MUST_CHECK int sysctls_apply(const struct oci_linux *l, struct err *err);

/* capability.c: the bounding set is dropped before the change of user, the others are set after
 * it. */
struct capability_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
	uint64_t drop; /* the rest of our bounding set */
};
void capabilities_parse(const struct init *in, struct capability_sets *out);
/* Sets the effective set to those of wanted that are permitted; *before (may be NULL) gets the
 * previous set. */
MUST_CHECK int capabilities_effective(uint64_t wanted, uint64_t *before, struct err *err);
/* Drops s->drop from the bounding set. */
MUST_CHECK int capabilities_bound(const struct capability_sets *s, struct err *err);
/* Sets the other four sets. */
MUST_CHECK int capabilities_apply(const struct capability_sets *s, struct err *err);

/* seccomp.c: *filter is NULL if there is nothing to load. */
struct seccomp_filter;
MUST_CHECK int seccomp_build(const struct init *in, struct seccomp_filter **filter,
			     struct err *err);
MUST_CHECK int seccomp_install(struct seccomp_filter *filter, struct err *err);

/* user.c: sets the supplementary groups; sets umask, groups and ids, and keeps capabilities. */
MUST_CHECK int user_groups(const struct oci_user *u, struct err *err);
MUST_CHECK int user_become(const struct oci_user *u, struct err *err);
/* Between enter and leave, file access is checked with the user's identity and rights. */
struct user_view {
	uint64_t effective; /* our effective capabilities, restored by leave */
};
MUST_CHECK int user_view_enter(const struct oci_user *u, const struct capability_sets *caps,
			       struct user_view *view, struct err *err);
void user_view_leave(const struct user_view *view);
/* The home directory of a uid in the text of a passwd file, heap, or NULL. */
char *user_home_in(const char *passwd, uid_t uid);
/* Sets HOME in the environment if it is missing or empty. Called inside the container's root. */
void user_set_home(struct oci_process *p);

/* process.c: what init and additional processes have in common. */
struct process {
	struct capability_sets caps;
	struct seccomp_filter *filter;
};
MUST_CHECK int process_prepare(struct init *in, struct process *p, struct err *err);
/* Drops all privileges and executes the program; returns only on error. */
MUST_CHECK int process_exec(struct init *in, struct process *p, struct err *err);
