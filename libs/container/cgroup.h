// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The control group of a container: one directory in the unified hierarchy, or one of the same path
 * in each hierarchy of cgroup v1. The version is detected from the mount table; struct cgroup_ops
 * has its functions.
 *
 * Limits are first converted to a list of settings (file and text) without touching a file, so that
 * tests can check them; then they are written in order.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "container/container.h"
#include "mount/mount.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_hierarchy {
	char *name;         /* of its mount point: "cpu,cpuacct" */
	char *mount;        /* its mount point */
	char **controllers; /* strv */
	char *folder;       /* mount + the group's path */
};

struct cgroup {
	const struct cgroup_ops *ops;
	char *path; /* clean, below each mount */
	bool lenient;
	struct cgroup_hierarchy *v;
	size_t n;
	int device_program; /* v2: attached, or -1 */
};

/* One file of one controller and what is to be written to it. */
struct cgroup_setting {
	const char *controller;
	char *file, *value;
	bool optional; /* of a feature that kernels may lack: a failure is only logged */
};
struct cgroup_settings {
	struct cgroup_setting *v;
	size_t n, cap;
};
void cgroup_settings_add(struct cgroup_settings *s, const char *controller, const char *file,
			 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void cgroup_settings_release(struct cgroup_settings *s);
DEFINE_AUTO_STRUCT(cgroup_settings, struct cgroup_settings, cgroup_settings_release)

struct cgroup_ops {
	bool unified;
	int (*make)(struct cgroup *g, struct err *err);
	int (*apply)(struct cgroup *g, const struct oci_resources *r, struct err *err);
	int (*freeze)(struct cgroup *g, bool on, struct deadline deadline, struct err *err);
	int (*frozen)(struct cgroup *g, struct err *err); /* 0 or 1 */
	int (*kill)(struct cgroup *g, struct err *err);   /* SIGKILL to all, also while they fork */
	int (*stats)(struct cgroup *g, struct container_stats *out, struct err *err);
	int (*oom_open)(struct cgroup *g, struct container_oom *out, struct err *err);
};
extern const struct cgroup_ops cgroup_v1_ops, cgroup_v2_ops;

/* Finds the hierarchies; nothing is made yet. NULL on error. Version 1 is used if a controller of it is
 * mounted, unless version 2 is at /sys/fs/cgroup: a machine with version 2 may have one of version 1
 * elsewhere that version 2 lacks, such as net_cls. */
struct cgroup *cgroup_new(const char *path, bool lenient, struct err *err);
/* The same, of the mounts in the list. */
struct cgroup *cgroup_new_in(const struct mount_list *list, const char *path, bool lenient,
			     struct err *err);
/* For tests: a unified group at mount + path. */
struct cgroup *cgroup_new_unified(const char *mount, const char *path, bool lenient);
void cgroup_free(struct cgroup *g);
DEFINE_AUTO(cgroup, struct cgroup *, NULL, cgroup_free)

/* The directory of a controller, or NULL. */
const char *cgroup_folder(const struct cgroup *g, const char *controller);
MUST_CHECK int cgroup_add(struct cgroup *g, pid_t pid, struct err *err);
/* Moves one thread of a process into the group in every hierarchy of version 1. E_UNSUPPORTED in
 * version 2, where the threads of a process stay together. */
MUST_CHECK int cgroup_add_thread(struct cgroup *g, pid_t thread, struct err *err);
/* Adds pid to the group that peer is in now. In version 2 a group whose child groups have
 * controllers accepts no processes; an init system in the container enables them and moves itself
 * into a child group. */
MUST_CHECK int cgroup_add_beside(struct cgroup *g, pid_t pid, pid_t peer, struct err *err);
/* The processes of the group and of all groups below it; *pids is heap, NULL if there are none. */
MUST_CHECK int cgroup_pids(struct cgroup *g, pid_t **pids, size_t *n, struct err *err);
/* E_STATE if the group already has processes, in any hierarchy. A missing group is empty. */
MUST_CHECK int cgroup_check_empty(struct cgroup *g, struct err *err);
/* Signals all processes that cgroup_pids() lists, and those forked meanwhile. */
MUST_CHECK int cgroup_signal(struct cgroup *g, int signal, struct err *err);
/* Writes the settings in order. The failure of an optional setting is logged, and with lenient that
 * of a missing file or controller. */
MUST_CHECK int cgroup_write(struct cgroup *g, const struct cgroup_settings *s, struct err *err);
/* Limits the topmost group of the path to the tasks that the machine may have, less those reserved.
 * Nothing is limited where the machine may have less than twice as many, or has no pids controller.
 * After make. */
MUST_CHECK int cgroup_reserve_tasks(struct cgroup *g, unsigned reserved, struct err *err);
/* Appends the text of a file of a controller to out; E_NOT_FOUND if either is missing. */
MUST_CHECK int cgroup_read(const struct cgroup *g, const char *controller, const char *file,
			   struct buf *out, struct err *err);
/* The value of a file with one number ("max" is UINT64_MAX); 0 if it is missing or not a number. */
uint64_t cgroup_number(const struct cgroup *g, const char *controller, const char *file);
/* Removes the group and all groups below it, however deep; waits while processes are exiting. */
MUST_CHECK int cgroup_remove(struct cgroup *g, struct deadline deadline, struct err *err);

/* The value of "key value" lines of a text; 0 if the key is missing. */
uint64_t cgroup_value(const char *text, const char *key);
void cgroup_parse_memory_stat(const char *text, bool unified, struct container_stats *out);
/* Adds a line to memory.stat: the number of OOM kills, from memory.events or memory.oom_control. */
void cgroup_add_kills(const char *events, struct buf *stat);
/* "8:0 Read 4096" lines of cgroup v1, "8:0 rbytes=4096 wios=1" lines of v2. */
void cgroup_parse_blkio(const char *text, struct container_blkio_entry **v, size_t *n);
void cgroup_parse_io_stat(const char *text, struct container_stats *out);
void cgroup_parse_per_cpu(const char *text, struct container_stats *out);
void cgroup_hugetlb_stats(struct cgroup *g, const char *usage, const char *max, const char *fails,
			  struct container_stats *out);

/* The device rules of a specification, followed by those that every container gets; a heap array
 * whose strings are borrowed from r. *n is 0 if r has no rules: then nothing is restricted. */
struct oci_device_rule *cgroup_device_rules(const struct oci_resources *r, size_t *n);

/* True if the memory limit is -1 and no swap limit is given: the swap limit has to be removed
 * too. */
bool cgroup_lifts_swap(const struct oci_resources *r);
/* Adds the limits of huge pages; suffix: the last part of the files' names. */
void cgroup_hugetlb_settings(const struct oci_resources *r, const char *suffix,
			     struct cgroup_settings *s);

/* cgroup_v1.c, cgroup_v2.c: for tests. */
MUST_CHECK int cgroup_v1_settings(const struct oci_resources *r, struct cgroup_settings *out,
				  struct err *err);
MUST_CHECK int cgroup_v2_settings(const struct oci_resources *r, struct cgroup_settings *out,
				  struct err *err);

/* cgroup_bpf.c: compiles the rules to a BPF program of *n instructions; heap, NULL on error. */
struct bpf_insn *cgroup_bpf_program(const struct oci_device_rule *rules, size_t n_rules, size_t *n,
				    struct err *err);
/* Loads it and attaches it to a cgroup directory, replacing old (-1: none). Returns its fd. */
MUST_CHECK int cgroup_bpf_attach(const char *folder, const struct oci_device_rule *rules,
				 size_t n_rules, int old, struct err *err);
