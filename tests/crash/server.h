// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs a program with several threads and kills it when one of them is about to make the n-th
 * system call that would change the host. Programs that it starts are not traced and run on.
 * (trace.h is for programs with one thread; it can make calls fail as well.)
 *
 * The order of the calls differs between runs, since threads run in any order: a walk over all
 * numbers meets every kind of call, but not every single call.
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
	unsigned calls; /* the number of such calls that it reached */
	long syscall;   /* its last such call: SYS_... */
	int status;     /* exit code, or 128 + signal */
};

MUST_CHECK int server_run(struct server *s, struct err *err);
