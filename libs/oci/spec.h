// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The OCI runtime specification's config.json (1.0.2 to 1.2) as a struct.
 *
 * An absent member is NULL, has 0 elements, or has set == false. A spec owns everything that it
 * points to; it is made by oci_spec_parse (json.c), oci_spec_from_message (message.c) or
 * oci_spec_unpack (pack.c) and freed with oci_spec_free. Unknown members of a document are ignored,
 * as the specification demands; members of a wrong type or out of range are errors that name the
 * member ("linux.resources.memory.limit").
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_i64 {
	bool set;
	int64_t v;
};
struct oci_u64 {
	bool set;
	uint64_t v;
};

struct oci_pair {
	char *key, *value;
};

struct oci_user {
	uint32_t uid, gid;
	struct oci_i64 umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	char *username;
};

struct oci_rlimit {
	char *type; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};

struct oci_capabilities {
	char **bounding, **effective, **inheritable, **permitted, **ambient; /* strv of "CAP_X" */
};

struct oci_process {
	bool terminal;
	uint32_t console_height, console_width;
	struct oci_user user;
	char **args, **env; /* strv */
	char *cwd;
	struct oci_capabilities *capabilities; /* NULL: none given */
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile, *selinux_label;
	struct oci_i64 oom_score_adj;
};

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination, *source, *type;
	char **options; /* strv */
	struct oci_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
};

struct oci_hook {
	char *path;
	char **args, **env;     /* strv; args[0] is the program's name */
	struct oci_i64 timeout; /* seconds */
};

struct oci_hook_list {
	struct oci_hook *v;
	size_t n;
};

struct oci_hooks {
	struct oci_hook_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

struct oci_namespace {
	char *type; /* pid network mount ipc uts user cgroup time */
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path, *type; /* c b u p */
	int64_t major, minor;
	struct oci_i64 file_mode; /* permission bits */
	uint32_t uid, gid;
};

struct oci_device_rule {
	bool allow;
	char *type;                  /* a b c */
	struct oci_i64 major, minor; /* unset or negative: any */
	char *access;                /* subset of "rwm" */
};

struct oci_weight_device {
	int64_t major, minor;
	struct oci_u64 weight, leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct oci_throttle_list {
	struct oci_throttle_device *v;
	size_t n;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB": oci_page_size() */
	uint64_t limit;
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

/* The name of the limit of swap alone in oci_resources.unified. */
#define OCI_SWAP_FILE "memory.swap.max"

struct oci_resources {
	struct oci_device_rule *devices;
	size_t n_devices;
	struct {
		struct oci_i64 limit, reservation, swap, kernel, kernel_tcp;
		struct oci_u64 swappiness;
		bool disable_oom_killer, use_hierarchy, check_before_update;
	} memory;
	struct {
		struct oci_u64 shares, period, realtime_period;
		struct oci_i64 quota, realtime_runtime, idle;
		struct oci_u64 burst;
		char *cpus, *mems;
	} cpu;
	struct oci_i64 pids_limit;
	struct {
		struct oci_u64 weight, leaf_weight;
		struct oci_weight_device *weight_device;
		size_t n_weight_device;
		struct oci_throttle_list read_bps, write_bps, read_iops, write_iops;
	} block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct {
		struct oci_u64 class_id;
		struct oci_interface_priority *priorities;
		size_t n_priorities;
	} network;
	struct oci_pair *unified; /* cgroup v2 files and their values */
	size_t n_unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	char *op; /* "SCMP_CMP_EQ" */
};

struct oci_syscall {
	char **names;
	char *action;
	struct oci_u64 errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	char *default_action;
	struct oci_u64 default_errno_ret;
	char **architectures, **flags; /* strv */
	char *listener_path;
	struct oci_syscall *syscalls;
	size_t n_syscalls;
};

struct oci_linux {
	struct oci_id_mapping *uid_mappings, *gid_mappings;
	size_t n_uid_mappings, n_gid_mappings;
	struct oci_pair *sysctl;
	size_t n_sysctl;
	struct oci_resources *resources; /* NULL: none given */
	char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t n_namespaces;
	struct oci_device *devices;
	size_t n_devices;
	struct oci_seccomp *seccomp; /* NULL: none */
	char *rootfs_propagation;
	char **masked_paths, **readonly_paths; /* strv */
	char *mount_label;
	char *intel_rdt_l3_schema;
};

struct oci_spec {
	char *version;
	struct oci_process *process; /* NULL: none given */
	char *root_path;
	bool root_readonly;
	char *hostname, *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks;
	struct oci_pair *annotations;
	size_t n_annotations;
	struct oci_linux linux_; /* "linux" is a macro of some compilers */
};

void oci_spec_free(struct oci_spec *spec);
void oci_process_free(struct oci_process *process);
void oci_resources_free(struct oci_resources *resources);
void oci_seccomp_free(struct oci_seccomp *s);
/* Free what a struct embedded in another struct or a list owns, and leave it empty. */
void oci_hooks_release(struct oci_hooks *h);
void oci_namespace_release(struct oci_namespace *ns);
void oci_device_release(struct oci_device *d);
void oci_annotations_release(struct oci_spec *spec);
/* Removes the settings of r->unified that are not to be kept; keep may change the value of one. */
void oci_unified_filter(struct oci_resources *r,
			bool (*keep)(struct oci_pair *p, const void *given), const void *given);
DEFINE_AUTO(oci_spec, struct oci_spec *, NULL, oci_spec_free)
DEFINE_AUTO(oci_process, struct oci_process *, NULL, oci_process_free)
DEFINE_AUTO(oci_resources, struct oci_resources *, NULL, oci_resources_free)

/*
 * Calls map for each disk that the limits of block I/O name: in weights and rates, and in the lines
 * of the cgroup v2 files io.*. map may change the number; if it returns false the limit is removed.
 */
typedef bool oci_disk_map(void *arg, int64_t *major, int64_t *minor);
void oci_resources_map_disks(struct oci_resources *r, oci_disk_map *map, void *arg);

/* Parses the size of huge pages: "2MB" (the specification), "2M" (the kernel's list of mounts), with
 * units of 1024, or "2097152", in bytes. E_INVALID: it is none, or not a power of two from 4 KiB to
 * 1 TiB. */
MUST_CHECK int oci_page_size(const char *text, uint64_t *bytes, struct err *err);

/* A deep copy, heap. */
struct oci_spec *oci_spec_copy(const struct oci_spec *spec);

/* Parse a JSON document of at most 16 MiB, the limit of containerd's gRPC messages. name (a path)
 * is for messages. The caller frees the result; NULL on error. */
enum { OCI_DOCUMENT_MAX = 16 << 20 };
struct oci_spec *oci_spec_parse(const char *json, size_t len, const char *name, struct err *err);
struct oci_spec *oci_spec_load(const char *path, struct err *err);
struct oci_process *oci_process_parse(const char *json, size_t len, const char *name,
				      struct err *err);
struct oci_resources *oci_resources_parse(const char *json, size_t len, const char *name,
					  struct err *err);
/* Format compact JSON for state files and hooks, with the members in the order of the tables;
 * heap. */
char *oci_spec_format(const struct oci_spec *spec);
char *oci_process_format(const struct oci_process *process);
char *oci_resources_format(const struct oci_resources *resources);

/*
 * A binary form for another process of the same program, with a fifth of the instructions of JSON.
 * oci_spec_pack appends to out; E_LIMIT if it does not fit. oci_spec_unpack checks everything that
 * it reads and returns heap; NULL with E_PROTOCOL if data is not exactly one packed specification.
 */
MUST_CHECK int oci_spec_pack(const struct oci_spec *spec, struct buf *out, struct err *err);
struct oci_spec *oci_spec_unpack(const void *data, size_t len, struct err *err);

/* The value of an annotation, borrowed, or NULL. */
const char *oci_annotation(const struct oci_spec *spec, const char *key);
/* The namespace of that type ("network"), borrowed from spec; NULL if it lists none. */
struct oci_namespace *oci_namespace(const struct oci_spec *spec, const char *type);
