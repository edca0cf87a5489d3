// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Gathers the parts of a bug report: versions, configuration, state, logs, hardware, and the output
 * of kata-deploy and kata-runtime. A table in gather.c lists the files and commands, in the order
 * of the report. Nothing else is executed, and nothing is changed on the node.
 *
 *	AUTO(report) struct report r = REPORT_INIT;
 *	gather(&(struct gather_options){ .prefix = "/opt/kata" }, &r);
 *	vec_each(struct part, p, &r.parts) ...
 *
 * Secrets are masked (mask.h) as soon as a part is read: a report never has them. Files and
 * programs that do not exist are left out. A part that failed, or took too long, has a problem, and
 * the text that was read until then. Of a long text the last PART_MAX bytes are taken.
 */

#include "base/buf.h"
#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>

enum { PART_MAX = 1 << 20, PARTS_MAX = 512 };

struct part {
	char *name;      /* path in the archive: "logs/journal.txt" */
	char *from;      /* the file or command */
	char *problem;   /* NULL: none */
	struct buf text; /* masked */
	size_t secrets;  /* how many secrets were masked */
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
	const char *root;   /* take the files below it and run nothing; NULL: this system */
	char **hide;        /* further words to mask, strv; may be NULL */
	bool no_logs;
};

/* Appends the parts; the caller releases the report. */
void gather(const struct gather_options *o, struct report *out);
