// SPDX-License-Identifier: Apache-2.0
/*
 * A kernel that is older than this one: without NAME[,NAME...] COMMAND [ARG...]
 *
 * The system calls of those names fail with ENOSYS for the command and all that it starts.
 */

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMES_MAX = 16 };

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{ "openat2", SYS_openat2 },
	{ "pidfd_open", SYS_pidfd_open },
	{ "clone3", SYS_clone3 },
	{ "close_range", SYS_close_range },
	{ "landlock_create_ruleset", SYS_landlock_create_ruleset },
	{ "open_tree", SYS_open_tree },
	{ "mount_setattr", SYS_mount_setattr },
};

static unsigned number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (str_eq(calls[i].name, name))
			return calls[i].nr;
	(void)fprintf(stderr, "without: no system call %s in the table\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	/* Of another architecture nothing is said: the programs of a release have none. */
	struct sock_filter code[2 * NAMES_MAX + 2] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog filter = { .len = 1, .filter = code };
	AUTO(strv) char **names = argc > 2 ? strv_split(argv[1], ",") : NULL;

	if (!names || strv_len(names) > NAMES_MAX) {
		(void)fprintf(stderr, "usage: without NAME[,NAME...] COMMAND [ARG...]\n");
		return 2;
	}
	strv_each(name, names) {
		code[filter.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								  number(*name), 0, 1);
		code[filter.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
								  SECCOMP_RET_ERRNO | ENOSYS);
	}
	code[filter.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
		perror("without: filter");
		return 2;
	}
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
