// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Copies the guest's console and its agent's log to our log, line by line, at debug level. The
 * guest is untrusted: a line is cut at 4096 bytes, and if it floods the log only its own lines are
 * lost. Of the last words of the guest's kernel a copy is kept, at most PANIC_MAX - 1 printable characters.
 *
 * On the loop; the arguments of lines_start must stay valid until lines_stop.
 */

#include "base/buf.h"
#include "loop/loop.h"

enum { PANIC_MAX = 128 };

struct lines {
	const char *what; /* the message of the log lines */
	int fd;           /* borrowed, set to non-blocking */
	struct watch *watch;
	struct buf line;       /* the incomplete line */
	char panic[PANIC_MAX]; /* why the guest's kernel gave up; empty: it did not */
};

void lines_start(struct lines *l, struct loop *loop, int fd, const char *what);
/* Reads what is there, without waiting: for whoever wants to know why a guest has ended. */
void lines_catch_up(struct lines *l);
/* Does nothing if it was never started (all zero). */
void lines_stop(struct lines *l);
