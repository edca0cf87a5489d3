// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Pinning: each processor of the guest to one of the host's. Only where the sandbox has as many as its
 * set has processors; else its threads share the set.
 */

#include "base/err.h"

#include <sched.h>
#include <stddef.h>
#include <sys/types.h>

/* A list of processors, "0-3,7". E_INVALID. An empty list is an empty set. */
MUST_CHECK int cpu_list_parse(const char *list, cpu_set_t *out, struct err *err);

/* threads: that of the first processor first. An empty set: every processor that this process may
 * use. Returns 1 if they were pinned, 0 if they share the set. */
MUST_CHECK int vcpu_pin(const pid_t *threads, size_t n, const cpu_set_t *set, struct err *err);
