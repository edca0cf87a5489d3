// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Copies the guest's console and its agent's log to our log, line by line, at debug level. The
 * guest is untrusted: a line is cut at 4096 bytes, and if it floods the log only its own lines are
 * lost.
 *
 * On the loop; the arguments of lines_start must stay valid until lines_stop.
 */

#include "base/buf.h"
#include "loop/loop.h"

struct lines {
	const char *what; /* the message of the log lines */
	int fd;           /* borrowed, set to non-blocking */
	struct watch *watch;
	struct buf line; /* the incomplete line */
};

void lines_start(struct lines *l, struct loop *loop, int fd, const char *what);
/* Does nothing if it was never started (all zero). */
void lines_stop(struct lines *l);
