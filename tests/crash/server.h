// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs a program of several threads and kills it when any of them is about to make the n-th call by
 * which the program would change the host. What it starts is not touched: it runs on, and at its own
 * speed. (trace.h is for programs of one thread; it can make calls fail as well.)
 *
 * Calls of one run are not those of another, since threads come in any order: a walk over all
 * numbers meets all kinds of calls, not each single one.
 *
 * server_run() blocks until the program has ended; call it in a process that has no other children.
 */

#include "base/err.h"

struct server {
	char *const *argv; /* argv[0] is a path */
	const char *cwd;
	int listener; /* its fd 3, or -1 */
	unsigned at;  /* 0: only count */
	/* results */
	unsigned calls; /* that were reached */
	long syscall;   /* the number of call at */
	int status;     /* exit code, or 128 + signal */
};

MUST_CHECK int server_run(struct server *s, struct err *err);
