// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs a program and counts the system calls by which it would change the world: a seccomp filter
 * stops it before each (ptrace), so that the n-th can be made its last, or made to fail without
 * having happened. Writing to stdout and stderr does not count, nor does opening to read.
 */

#include "base/err.h"

struct trace {
	char *const *argv;
	unsigned at; /* 0: only count */
	int fail;    /* errno of call at; 0: killed there; -N: gets signal N there */
	/* results */
	unsigned calls; /* that were reached */
	long syscall;   /* the number of call at */
	int status;     /* exit code, or 128 + signal */
};

MUST_CHECK int trace_run(struct trace *t, struct err *err);
