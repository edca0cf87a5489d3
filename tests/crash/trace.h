// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs a program and counts the system calls that change something. A seccomp filter stops the
 * program before each (ptrace), so that it can be killed at the n-th, or the call can fail without
 * an effect. Writing to stdout and stderr does not count, nor does opening a file for reading.
 */

#include "base/err.h"

#include <stdbool.h>

struct trace {
	char *const *argv;
	unsigned at; /* 0: only count */
	int fail;    /* errno of call at; 0: killed there; -N: gets signal N there */
	bool all;    /* calls of its children count too, and they are killed with it */
	/* results */
	unsigned calls; /* the number of such calls that it reached */
	long syscall;   /* the call at which it was stopped: SYS_... */
	int status;     /* exit code, or 128 + signal */
	bool killed;    /* it was killed at call at */
};

MUST_CHECK int trace_run(struct trace *t, struct err *err);
