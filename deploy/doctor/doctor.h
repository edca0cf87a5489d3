// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Checks whether this node can run containers in VMs, and what to do if not. Each check is a row of
 * a table; none changes anything on the node.
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
	char *remedy; /* what to do about it; NULL: nothing */
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
	const char *cri, *cri_config; /* the manager that is meant; NULL: the one that is found */
	/* The node's programs that are meant; NULL: those of the installed release, or, where that brings
	 * none, Debian's paths. */
	const char *vmm, *virtiofsd;
};

void doctor_examine(const struct doctor_options *o, struct diagnosis *d);
const char *finding_state_name(enum finding_state state); /* "good" "note" "warning" "bad" */
bool diagnosis_is_fit(const struct diagnosis *d);         /* nothing is bad */
