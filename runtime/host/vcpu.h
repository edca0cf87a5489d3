// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Pins each of the guest's processors to one of the host's, if the sandbox's set of processors has
 * as many as the guest; else all of the guest's share the set.
 */

#include "base/err.h"

#include <sched.h>
#include <stddef.h>
#include <sys/types.h>

/* Parses a list of processors, "0-3,7"; an empty list is an empty set. E_INVALID. */
MUST_CHECK int cpu_list_parse(const char *list, cpu_set_t *out, struct err *err);

/* threads: those that run the guest's processors, in order. An empty set means every processor that
 * their control groups allow. Returns 1 if the threads were pinned, 0 if they share the set, or -1. */
MUST_CHECK int vcpu_pin(const pid_t *threads, size_t n, const cpu_set_t *set, struct err *err);
