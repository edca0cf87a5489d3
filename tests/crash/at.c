// SPDX-License-Identifier: Apache-2.0
/*
 * crash-at N PROGRAM [ARGUMENT...]: runs the program and kills it at its n-th system call that
 * changes something (0: never). Prints "CALLS STATUS SYSCALL": the number of such calls that it
 * reached, its exit status, and the number of its last such call.
 */

#include "base/str.h"
#include "tests/crash/trace.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct trace t = { .argv = argv + 2 };
	uint64_t at;

	if (argc < 3 || str_u64(argv[1], 10, 0, UINT32_MAX, "N", &at, &err) < 0) {
		(void)fputs("usage: crash-at N PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	t.at = (unsigned)at;
	if (trace_run(&t, &err) < 0) {
		(void)fprintf(stderr, "crash-at: %s\n", err.msg);
		return 1;
	}
	(void)printf("%u %d %ld\n", t.calls, t.status, t.syscall);
	return 0;
}
