// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The control group of a container: one folder in the unified hierarchy, or one of the same path in
 * each hierarchy of cgroup v1. Which of the two is seen from the mount table once; behind it is a
 * table of functions.
 *
 * Limits become a list of settings (file and text) first, without touching a file, which is what
 * the tests look at; then they are written in order.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "container/container.h"
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
	bool optional; /* accounting that kernels may lack: a failure is a log line */
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
	int (*kill)(struct cgroup *g, struct err *err);   /* SIGKILL for all, however they fork */
	int (*stats)(struct cgroup *g, struct container_stats *out, struct err *err);
	int (*oom_open)(struct cgroup *g, struct container_oom *out, struct err *err);
};
extern const struct cgroup_ops cgroup_v1_ops, cgroup_v2_ops;

/* Finds the hierarchies; nothing is made yet. NULL on error. */
struct cgroup *cgroup_new(const char *path, bool lenient, struct err *err);
/* For tests: a unified group at mount + path. */
struct cgroup *cgroup_new_unified(const char *mount, const char *path, bool lenient);
void cgroup_free(struct cgroup *g);
DEFINE_AUTO(cgroup, struct cgroup *, NULL, cgroup_free)

/* The folder of a controller, or NULL. */
const char *cgroup_folder(const struct cgroup *g, const char *controller);
MUST_CHECK int cgroup_add(struct cgroup *g, pid_t pid, struct err *err);
/* Where peer is now. In version 2 a group whose own groups have controllers takes no processes: the
 * init system of a container makes it so, and moves itself into one of them. */
MUST_CHECK int cgroup_add_beside(struct cgroup *g, pid_t pid, pid_t peer, struct err *err);
MUST_CHECK int cgroup_pids(struct cgroup *g, pid_t **pids, size_t *n, struct err *err);
/* E_STATE if somebody is in it already, in any hierarchy. A group that is missing is empty. */
MUST_CHECK int cgroup_check_empty(struct cgroup *g, struct err *err);
MUST_CHECK int cgroup_signal(struct cgroup *g, int signal, struct err *err);
MUST_CHECK int cgroup_write(struct cgroup *g, const struct cgroup_settings *s, struct err *err);
/* The text of a file of a controller; E_NOT_FOUND if either is missing. */
MUST_CHECK int cgroup_read(const struct cgroup *g, const char *controller, const char *file,
			   struct buf *out, struct err *err);
/* A file of one number ("max" is UINT64_MAX); 0 if it is missing or no number. */
uint64_t cgroup_number(const struct cgroup *g, const char *controller, const char *file);
/* Removes the group and groups made inside, however deep; waits while processes are still ending. */
MUST_CHECK int cgroup_remove(struct cgroup *g, struct deadline deadline, struct err *err);

/* The value of "key value" lines of a text; 0 if the key is missing. */
uint64_t cgroup_value(const char *text, const char *key);
void cgroup_parse_memory_stat(const char *text, bool unified, struct container_stats *out);
/* "8:0 Read 4096" lines of cgroup v1, "8:0 rbytes=4096 wios=1" lines of v2. */
void cgroup_parse_blkio(const char *text, struct container_blkio_entry **v, size_t *n);
void cgroup_parse_io_stat(const char *text, struct container_stats *out);
void cgroup_parse_per_cpu(const char *text, struct container_stats *out);
void cgroup_hugetlb_stats(struct cgroup *g, const char *usage, const char *max, const char *fails,
			  struct container_stats *out);

/* The rules of a specification with what every container may use behind them; heap, borrowing
 * strings. *n is 0 if there are no rules at all: then nothing is restricted. */
struct oci_device_rule *cgroup_device_rules(const struct oci_resources *r, size_t *n);

/* True if memory is to have no limit and of swap nothing is said: then that has none either. */
bool cgroup_lifts_swap(const struct oci_resources *r);

/* cgroup_v1.c, cgroup_v2.c: for tests. */
MUST_CHECK int cgroup_v1_settings(const struct oci_resources *r, struct cgroup_settings *out,
				  struct err *err);
MUST_CHECK int cgroup_v2_settings(const struct oci_resources *r, struct cgroup_settings *out,
				  struct err *err);

/* cgroup_bpf.c: a program that decides by the rules; *n instructions, heap. */
struct bpf_insn *cgroup_bpf_program(const struct oci_device_rule *rules, size_t n_rules, size_t *n,
				    struct err *err);
/* Loads it and attaches it to a cgroup folder instead of old (-1: none). Returns its fd. */
MUST_CHECK int cgroup_bpf_attach(const char *folder, const struct oci_device_rule *rules,
				 size_t n_rules, int old, struct err *err);
