// SPDX-License-Identifier: Apache-2.0
/*
 * crash-at N PROGRAM [ARGUMENT...]: runs it and kills it at its n-th call that changes the world;
 * 0: never. Says "CALLS STATUS SYSCALL": how many calls were reached, how it ended, and which was
 * its last.
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
