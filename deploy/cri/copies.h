// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Copies of configuration files in memory (memfd), for a manager's own check of a new
 * configuration: it opens them below our /proc/PID/fd. So nothing can be left behind, even by a
 * crash.
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

/* Returns the path of the new copy, heap; it is valid until the copies are released. NULL on
 * error. */
char *copies_add(struct copies *all, const char *text, struct err *err);
