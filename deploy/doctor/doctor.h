// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Checks whether this node can run containers in VMs, with a remedy for each problem. Each check is
 * a row of a table; none changes anything on the node.
 *
 *	AUTO(diagnosis) struct diagnosis d = DIAGNOSIS_INIT;
 *	doctor_examine(&(struct doctor_options){ .prefix = "/opt/kata" }, &d);
 *	vec_each(struct finding, f, &d.findings) ...
 */

#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>

/* FINDING_BAD: VM containers cannot run until this is fixed. */
enum finding_state { FINDING_GOOD, FINDING_NOTE, FINDING_WARN, FINDING_BAD };

struct finding {
	const char *name; /* of the check, such as "kvm" */
	enum finding_state state;
	char *text;   /* what was found */
	char *remedy; /* NULL: nothing to do */
};

struct diagnosis {
	VEC(struct finding) findings;
};
#define DIAGNOSIS_INIT               \
	{                            \
		.findings = VEC_INIT \
	}
void diagnosis_release(struct diagnosis *d);
DEFINE_AUTO_STRUCT(diagnosis, struct diagnosis, diagnosis_release)

struct doctor_options {
	const char *prefix;
	const char *trust_dir;
	const char *trust_kept; /* the memory of trust outside the prefix (trust.h), or NULL */
	const char *cri, *cri_config; /* the manager, as in cri.h; NULL: detect it */
	/* Paths of programs; NULL: those of the installed release, or, if it does not include them,
	 * Debian's paths. */
	const char *vmm, *virtiofsd;
};

/* Runs all checks and appends a finding for each. */
void doctor_examine(const struct doctor_options *o, struct diagnosis *d);
/* Returns "good", "note", "warning" or "bad". */
const char *finding_state_name(enum finding_state state);
/* True if no finding is bad. */
bool diagnosis_is_fit(const struct diagnosis *d);
