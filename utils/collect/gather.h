// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Gathers what a report about a fault needs: versions, configuration, state, logs, hardware, and what
 * kata-deploy and kata-runtime say. A table in gather.c has what, in this order; nothing is changed
 * on the node, and nothing is executed but what that table names.
 *
 *	AUTO(report) struct report r = REPORT_INIT;
 *	gather(&(struct gather_options){ .prefix = "/opt/kata" }, &r);
 *	vec_each(struct part, p, &r.parts) ...
 *
 * Secrets are masked (mask.h) as soon as a part is read: a report never has them. What is not there
 * is left out; what failed, or took longer than its time, has a problem instead of text, or beside
 * what there was until then. Of what is long the end is taken, PART_MAX bytes.
 */

#include "base/buf.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>

enum { PART_MAX = 1 << 20, PARTS_MAX = 512 };

struct part {
	char *name;    /* relative, as in the archive: "logs/journal.txt" */
	char *from;    /* the file or command */
	char *problem; /* NULL: none */
	struct buf text;
	size_t secrets; /* how many were masked */
};

struct report {
	VEC(struct part) parts;
};
#define REPORT_INIT               \
	{                         \
		.parts = VEC_INIT \
	}
void report_release(struct report *r);
DEFINE_AUTO_STRUCT(report, struct report, report_release)

struct gather_options {
	const char *prefix; /* of the installation */
	const char *root;   /* look at the files below it, run nothing; NULL: this system */
	char **hide;        /* words to mask besides */
	bool no_logs;
};

void gather(const struct gather_options *o, struct report *out);
