// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * OCI hooks: a program with the container's state as JSON on its stdin. Used by the container core
 * in the guest and by the shim on the host, so it does not depend on libs/container.
 */

#include "base/err.h"
#include "oci/spec.h"

#include <sys/types.h>

struct hook_state {
	const char *id, *bundle, *status; /* "creating" "created" "running" "stopped" */
	pid_t pid;                        /* 0: none */
	const struct oci_spec *spec;      /* for ociVersion and annotations */
};

enum { HOOK_DEFAULT_SECONDS = 10 }; /* the usual default_timeout */

/*
 * Runs the hooks of a list in order and stops at the first failure: E_HOOK, with the list's name,
 * the hook's path, its exit code or time-out, and its stderr. default_timeout, in seconds, is for
 * hooks without a timeout of their own. ns: namespaces to run in, as in struct spawn (may be NULL).
 */
MUST_CHECK int hooks_run(const struct oci_hook_list *hooks, const char *list_name,
			 const struct hook_state *state, unsigned default_timeout, const int *ns,
			 struct err *err);

/* For poststart and poststop hooks: a failure is logged as a warning and the remaining hooks still
 * run. Returns the number of failures. */
size_t hooks_run_all(const struct oci_hook_list *hooks, const char *list_name,
		     const struct hook_state *state, unsigned default_timeout, const int *ns);
