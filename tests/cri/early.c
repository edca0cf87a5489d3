// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1 of a guest whose agent is built with a sanitizer: mounts /proc, which the sanitizer
 * reads before main(), and executes the agent.
 */

#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char asan[] = "ASAN_OPTIONS=detect_leaks=0", tsan[] = "TSAN_OPTIONS=halt_on_error=1",
		    ubsan[] = "UBSAN_OPTIONS=print_stacktrace=1";
	char *env[] = { asan, tsan, ubsan, NULL };

	(void)argc;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0)
		perror("mount /proc");
	(void)execve("/sbin/kata-agent", argv, env);
	perror("/sbin/kata-agent");
	return 1;
}
