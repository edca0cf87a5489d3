// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * OCI hooks: a program with the container's state as JSON on its stdin. Used for hooks of the guest
 * and of the host (the shim), so it knows no container.
 */

#include "base/err.h"
#include "oci/spec.h"

#include <sys/types.h>

struct hook_state {
	const char *id, *bundle, *status; /* "creating" "created" "running" "stopped" */
	pid_t pid;                        /* 0: none */
	const struct oci_spec *spec;      /* for ociVersion and annotations */
};

/*
 * Runs the hooks of a list in order; the first that fails ends it with E_HOOK naming the list, the
 * hook's path, and its exit code or time-out and what it said on stderr. A hook without a timeout
 * of its own has default_timeout seconds. ns as in struct spawn (may be NULL).
 */
MUST_CHECK int hooks_run(const struct oci_hook_list *hooks, const char *list_name,
			 const struct hook_state *state, unsigned default_timeout, const int *ns,
			 struct err *err);

/* For poststart and poststop, when nothing can be undone: a hook that fails is a warning in the log,
 * and those after it run. Returns how many failed. */
size_t hooks_run_all(const struct oci_hook_list *hooks, const char *list_name,
		     const struct hook_state *state, unsigned default_timeout, const int *ns);
