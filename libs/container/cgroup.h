// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * One cgroup of the unified hierarchy (cgroup v2), Documentation/admin-guide/cgroup-v2.rst.
 * Internal to libs/container and its tests, which use a plain directory as the root.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "container/container.h"
#include "oci/spec.h"

#include <sys/types.h>

struct cgroup;

/* Makes <root>/<path> and delegates every controller that the root offers. root NULL: where
 * /proc/self/mountinfo says that cgroup2 is. E_UNSUPPORTED if it is nowhere. */
MUST_CHECK int cgroup_make(const char *root, const char *path, struct cgroup **out,
			   struct err *err);
/* Kills what is in it, waits until it is empty, removes it and its children. */
MUST_CHECK int cgroup_remove(struct cgroup *g, struct deadline deadline, struct err *err);
void cgroup_free(struct cgroup *g);

MUST_CHECK int cgroup_add(struct cgroup *g, pid_t pid, struct err *err);
MUST_CHECK int cgroup_set(struct cgroup *g, const struct oci_resources *r, struct err *err);
MUST_CHECK int cgroup_freeze(struct cgroup *g, bool frozen, struct deadline deadline,
			     struct err *err);
MUST_CHECK int cgroup_pids(struct cgroup *g, pid_t **pids, size_t *n, struct err *err);
MUST_CHECK int cgroup_signal(struct cgroup *g, int signal, struct err *err);
MUST_CHECK int cgroup_oom_fd(struct cgroup *g, struct err *err);
MUST_CHECK int cgroup_oom_drain(int fd, uint64_t *kills, struct err *err);
MUST_CHECK int cgroup_stats(struct cgroup *g, struct container_stats *out, struct err *err);

/* Pure conversions. */
uint64_t cgroup_weight(uint64_t shares); /* cpu.shares 2..262144 -> cpu.weight 1..10000 */
/* The value after "key " at the start of a line, or 0. */
uint64_t cgroup_keyed(const char *text, const char *key);
