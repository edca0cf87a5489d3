// SPDX-License-Identifier: Apache-2.0
/*
 * System calls for programs under valgrind (3.27). Loaded before libc: syscall() is how the programs make these calls.
 *
 * valgrind has no pidfd_send_signal() and fails it with ENOSYS; without it nothing that a test started ends. Between the
 * look at the pid and kill() another process may get that pid. Here that is nobody's harm.
 *
 * To open() "/proc/self/exe" is the program, but to open_tree() it is valgrind itself, which cannot be run under
 * valgrind. A program whose call fails takes its other way.
 *
 * It has no seccomp(). Programs that confine themselves run unconfined, as if the filter had been accepted.
 *
 * It does not know that ioctl(TIOCGPTPEER) returns a file descriptor, but sees the ones that are received.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

/* As the kernel answers, also to libseccomp's questions what it can do. */
static long take_filter(unsigned long operation, const void *argument)
{
	if (operation == SECCOMP_GET_ACTION_AVAIL ||
	    (operation == SECCOMP_SET_MODE_FILTER && argument))
		return 0;
	errno = operation == SECCOMP_SET_MODE_FILTER ? EFAULT : EINVAL;
	return -1;
}

static long system_call(long nr, const long a[ARGS])
{
	long result;

	if (nr == SYS_seccomp)
		return take_filter((unsigned long)a[0], (const void *)a[2]);
	if (nr == SYS_pidfd_send_signal)
		return send_signal((int)a[0], (int)a[1]);
	if (nr == SYS_open_tree && strcmp((const char *)a[1], "/proc/self/exe") == 0) {
		errno = ENOSYS;
		return -1;
	}
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

__attribute__((visibility("default"))) long syscall(long nr, ...)
{
	long a[ARGS];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < ARGS; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return system_call(nr, a);
}

/* Lets valgrind see the fd received, and moves it to its old number. */
static void introduce(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec byte = { &(char){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &byte,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int ends[2], received;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	if (sendmsg(ends[0], &m, 0) == 1 && recvmsg(ends[1], &m, MSG_CMSG_CLOEXEC) == 1) {
		memcpy(&received, CMSG_DATA(&control.header), sizeof(received));
		(void)dup3(received, fd, O_CLOEXEC);
		(void)close(received);
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
	long a[ARGS] = { fd, (long)request };
	va_list ap;
	int result;

	va_start(ap, request);
	a[2] = va_arg(ap, long);
	va_end(ap);
	result = (int)system_call(SYS_ioctl, a);
	if (request == TIOCGPTPEER && result >= 0)
		introduce(result);
	return result;
}

/* libc's makes that call without ioctl(). */
__attribute__((visibility("default"))) int openpty(int *master, int *slave, char *name,
						   const struct termios *settings,
						   const struct winsize *size)
{
	int (*libc)(int *, int *, char *, const struct termios *, const struct winsize *);
	int result;

	*(void **)&libc = dlsym(RTLD_NEXT, "openpty");
	result = libc(master, slave, name, settings, size);
	if (result == 0)
		introduce(*slave);
	return result;
}

/* valgrind does not let a program change its hard limit of file descriptors; the soft one does. */
__attribute__((visibility("default"))) int setrlimit64(__rlimit_resource_t resource,
						       const struct rlimit64 *wanted)
{
	struct rlimit64 now, limit = *wanted;

	if (resource == RLIMIT_NOFILE && getrlimit64(resource, &now) == 0)
		limit = (struct rlimit64){ MIN(wanted->rlim_cur, now.rlim_max), now.rlim_max };
	return prlimit64(0, resource, &limit, NULL);
}
