// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Copies the guest's console and its agent's log to the shim's log, line by line, at debug level.
 * The guest is untrusted: a line is cut at 4096 bytes, and a guest that floods the log only loses
 * lines of its own. The reason of a kernel panic is kept, at most PANIC_MAX - 1 printable
 * characters of it.
 *
 * On the loop; the arguments of lines_start() must stay valid until lines_stop().
 */

#include "base/buf.h"
#include "loop/loop.h"

enum { PANIC_MAX = 128 };

struct lines {
	const char *what; /* the message of each line in the log */
	int fd;           /* borrowed, set to non-blocking */
	struct watch *watch;
	struct buf line;       /* the incomplete line */
	char panic[PANIC_MAX]; /* reason of a panic of the guest's kernel, or empty */
};

/* Begins to read fd, which it sets to non-blocking. */
void lines_start(struct lines *l, struct loop *loop, int fd, const char *what);
/* Reads what has arrived so far, without waiting. Call it before looking at l->panic. */
void lines_catch_up(struct lines *l);
/* Does nothing if it was never started (all zero). */
void lines_stop(struct lines *l);
