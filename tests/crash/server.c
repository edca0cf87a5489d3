// SPDX-License-Identifier: Apache-2.0
/* The tracer of a program with threads: each thread stops at each call; children are not traced. */

#include "tests/crash/server.h"

#include "base/scope.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Files, mounts, namespaces, links and filters (by netlink), processes, answers to others. */
static const unsigned changing[] = {
	SYS_open,     SYS_openat,    SYS_openat2,   SYS_creat,      SYS_write,
	SYS_pwrite64, SYS_writev,    SYS_truncate,  SYS_ftruncate,  SYS_fallocate,
	SYS_mkdir,    SYS_mkdirat,   SYS_rmdir,     SYS_unlink,     SYS_unlinkat,
	SYS_rename,   SYS_renameat,  SYS_renameat2, SYS_link,       SYS_linkat,
	SYS_symlink,  SYS_symlinkat, SYS_mknod,     SYS_mknodat,    SYS_chmod,
	SYS_fchmod,   SYS_fchmodat,  SYS_chown,     SYS_fchown,     SYS_lchown,
	SYS_fchownat, SYS_fsync,     SYS_fdatasync, SYS_ioctl,      SYS_sendto,
	SYS_sendmsg,  SYS_connect,   SYS_bind,      SYS_kill,       SYS_pidfd_send_signal,
	SYS_mount,    SYS_umount2,   SYS_open_tree, SYS_move_mount, SYS_mount_setattr,
	SYS_fsmount,  SYS_clone,     SYS_clone3,    SYS_fork,       SYS_vfork,
	SYS_unshare,  SYS_setns,
};

static bool opens_to_change(unsigned long long flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

/* Communication between its threads does not change the host. */
static bool is_eventfd(pid_t pid, unsigned long long fd)
{
	AUTO(str) char *path = str_fmt("/proc/%d/fd/%llu", (int)pid, fd);
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return str_eq(target, "anon_inode:[eventfd]");
}

static bool changes(pid_t pid, const struct __ptrace_syscall_info *call)
{
	const unsigned long long *args = (const unsigned long long *)call->entry.args;
	struct open_how how = { 0 };
	struct iovec to = { &how, sizeof(how) }, from = { (void *)(uintptr_t)args[2], sizeof(how) };

	switch (call->entry.nr) {
	case SYS_write:
		return args[0] > 2 && !is_eventfd(pid, args[0]);
	case SYS_open:
		return opens_to_change(args[1]);
	case SYS_openat:
		return opens_to_change(args[2]);
	case SYS_openat2:
		return process_vm_readv(pid, &to, 1, &from, 1, 0) < 0 || opens_to_change(how.flags);
	default:
		break;
	}
	for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
		if (call->entry.nr == changing[i])
			return true;
	}
	return false;
}

_Noreturn static void child(const struct server *s)
{
	int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (quiet < 0 || chdir(s->cwd) < 0)
		_exit(126);
	/* The fd may have that number already. */
	if (s->listener >= 0 && (dup2(s->listener, 3) < 0 || fcntl(3, F_SETFD, 0) < 0))
		_exit(126);
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(quiet, fd) < 0)
			_exit(126);
	}
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(126);
	(void)execv(s->argv[0], s->argv);
	_exit(127);
}

/* A thread enters a call. True if the program was killed there. */
static bool judge(struct server *s, pid_t program, pid_t thread)
{
	struct __ptrace_syscall_info call;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(call), &call) <= 0 ||
	    call.op != PTRACE_SYSCALL_INFO_ENTRY || !changes(thread, &call) || ++s->calls != s->at)
		return false;
	s->syscall = (long)call.entry.nr;
	return kill(program, SIGKILL) == 0;
}

/* Returns the signal to deliver. */
static int take_stop(struct server *s, pid_t program, pid_t thread, int status)
{
	int signal = WSTOPSIG(status);

	if (signal == (SIGTRAP | 0x80)) {
		(void)judge(s, program, thread);
		return 0;
	}
	/* The first stop of a new thread, and the stops at exec and clone. */
	if (status >> 16 || signal == SIGTRAP || (signal == SIGSTOP && thread != program))
		return 0;
	return signal;
}

int server_run(struct server *s, struct err *err)
{
	int status, last = 0;
	pid_t program = fork(), who;

	if (program < 0)
		return err_sys(err, "fork");
	if (program == 0)
		child(s);
	s->calls = 0;
	s->syscall = 0;
	if (waitpid(program, &status, 0) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, program, NULL,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
			   PTRACE_O_TRACEEXEC) < 0 ||
	    ptrace(PTRACE_SYSCALL, program, NULL, 0) < 0)
		return err_sys(err, "trace %s", s->argv[0]);
	while ((who = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (who > 0 && WIFSTOPPED(status))
			(void)ptrace(PTRACE_SYSCALL, who, NULL, take_stop(s, program, who, status));
		else if (who == program)
			last = status;
	}
	s->status = WIFSIGNALED(last) ? 128 + WTERMSIG(last) : WEXITSTATUS(last);
	return 0;
}
