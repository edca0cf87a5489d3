// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a guest writes for people, its console and its agent's log, as lines of our log at debug
 * level. The guest may write what it likes: a line is cut at 4096 bytes, and a flood costs its own
 * lines only.
 *
 * On the loop; what is given to lines_start must stay until lines_stop.
 */

#include "base/buf.h"
#include "loop/loop.h"

struct lines {
	const char *what; /* the message of the log lines */
	int fd;           /* borrowed, set to non-blocking */
	struct watch *watch;
	struct buf line; /* that is being read */
};

void lines_start(struct lines *l, struct loop *loop, int fd, const char *what);
/* Also of one that was never started; all zeroes is such a one. */
void lines_stop(struct lines *l);
