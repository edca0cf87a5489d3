// SPDX-License-Identifier: Apache-2.0
/*
 * pidfd_send_signal() for programs under valgrind, which (3.27) has no such system call and fails it with ENOSYS;
 * without it nothing that a test started ends. Loaded before libc: syscall() is how the programs make the call.
 *
 * Between the look at the pid and kill() another process may get that pid. Here that is nobody's harm.
 */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGS = 6 };

static pid_t pid_of(int pidfd)
{
	char path[64], line[64];
	pid_t pid = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f)
		(void)fclose(f);
	return pid;
}

static int send_signal(int pidfd, int sig)
{
	pid_t pid = pid_of(pidfd);

	if (pid > 0)
		return kill(pid, sig);
	errno = ESRCH;
	return -1;
}

__attribute__((visibility("default"))) long syscall(long nr, ...)
{
	long a[ARGS], result;
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < ARGS; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_pidfd_send_signal)
		return send_signal((int)a[0], (int)a[1]);
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}
