// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Would-be files in memory, for a manager's own check of its configuration: it opens them below our
 * /proc/PID/fd, and nothing is left behind in any case.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

struct copies {
	VEC(int) fds;
};
#define COPIES_INIT             \
	{                       \
		.fds = VEC_INIT \
	}
void copies_release(struct copies *all);
DEFINE_AUTO_STRUCT(copies, struct copies, copies_release)

/* Its path, which the caller frees; it is there until the copies are released. NULL: the error. */
char *copies_add(struct copies *all, const char *text, struct err *err);
