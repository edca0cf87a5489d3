// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The namespaces that a specification gives a container: new ones, or existing ones by path.
 */

#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <sys/types.h>

enum ns_kind {
	NS_IPC,
	NS_UTS,
	NS_NET,
	NS_PID,
	NS_CGROUP,
	NS_TIME,
	NS_MNT,
	NS_USER, /* last: after joining it we may lack the rights to join the others */
	NS_COUNT
};

struct ns_plan {
	int make;           /* CLONE_NEW* */
	int join[NS_COUNT]; /* fds, -1: none; owned */
};

const char *ns_file(enum ns_kind kind); /* "net", as in /proc/PID/ns */
int ns_flag(enum ns_kind kind);         /* CLONE_NEW* */
/* The kind of a name in the specification ("network") or in /proc ("net"); -1 if unknown. */
int ns_find(const char *name);

/* Opens the namespaces to join. E_INVALID if a type is unknown or repeated, or if a path is not a
 * namespace of its type. */
MUST_CHECK int ns_plan_make(const struct oci_linux *l, struct ns_plan *plan, struct err *err);
void ns_plan_release(struct ns_plan *plan);
/* True if the specification lists this kind: the container's namespace differs from ours. */
bool ns_own(const struct oci_linux *l, enum ns_kind kind);

/* setns to every fd of a list indexed by ns_kind, -1: none. */
MUST_CHECK int ns_join(const int fds[NS_COUNT], struct err *err);

/* Opens those namespaces of the process pid that l lists; the others become -1. */
MUST_CHECK int ns_pin(pid_t pid, const struct oci_linux *l, int fds[NS_COUNT], struct err *err);

/* Write uid_map and gid_map of process pid: the given mappings, or those of the specification. */
MUST_CHECK int ns_write_id_maps(pid_t pid, const struct oci_id_mapping *uid, size_t n_uid,
				const struct oci_id_mapping *gid, size_t n_gid, struct err *err);
MUST_CHECK int ns_write_maps(pid_t pid, const struct oci_linux *l, struct err *err);
