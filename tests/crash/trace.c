// SPDX-License-Identifier: Apache-2.0
/* The tracer. x86_64 only: making a call fail needs the machine's registers. */

#include "tests/crash/trace.h"

#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* All system calls that can change files; changes() sorts out those that only read. */
static const unsigned changing[] = {
	SYS_open,
	SYS_openat,
	SYS_openat2,
	SYS_creat,
	SYS_write,
	SYS_pwrite64,
	SYS_writev,
	SYS_pwritev,
	SYS_pwritev2,
	SYS_truncate,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_mkdir,
	SYS_mkdirat,
	SYS_rmdir,
	SYS_unlink,
	SYS_unlinkat,
	SYS_rename,
	SYS_renameat,
	SYS_renameat2,
	SYS_link,
	SYS_linkat,
	SYS_symlink,
	SYS_symlinkat,
	SYS_mknod,
	SYS_mknodat,
	SYS_chmod,
	SYS_fchmod,
	SYS_fchmodat,
	SYS_chown,
	SYS_fchown,
	SYS_lchown,
	SYS_fchownat,
	SYS_utimensat,
	SYS_setxattr,
	SYS_fsetxattr,
	SYS_removexattr,
	SYS_fremovexattr,
	SYS_fsync,
	SYS_fdatasync,
	SYS_syncfs,
	SYS_sync,
	SYS_ioctl,
	SYS_copy_file_range,
	SYS_sendfile,
	SYS_flock,
	SYS_sendto,
	SYS_sendmsg,
	SYS_connect,
	SYS_kill,
	SYS_pidfd_send_signal,
	SYS_mount,
	SYS_umount2,
};

static void filter(void)
{
	struct sock_filter code[2 * ARRAY_LEN(changing) + 4];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, changing[i], 0,
							 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(127);
}

_Noreturn static void child(char *const *argv)
{
	int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Nobody reads the messages of thousands of runs that are made to fail. */
	if (quiet < 0 || dup2(quiet, 1) < 0 || dup2(quiet, 2) < 0 ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(127);
	filter();
	(void)execv(argv[0], argv);
	_exit(127);
}

static bool opens_to_change(unsigned long long flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

static bool changes(const struct trace *t, pid_t pid, const struct user_regs_struct *r)
{
	struct open_how how = { 0 };
	struct iovec to = { &how, sizeof(how) }, from = { (void *)r->rdx, sizeof(how) };

	switch (r->orig_rax) {
	case SYS_write:
	case SYS_writev:
		return r->rdi > 2;
	case SYS_open:
		return opens_to_change(r->rsi);
	case SYS_openat:
		return opens_to_change(r->rdx);
	case SYS_openat2:
		return process_vm_readv(pid, &to, 1, &from, 1, 0) < 0 || opens_to_change(how.flags);
	case SYS_ioctl: /* if the kernel refuses fs-verity, the engine records that and goes on */
		return t->fail == 0;
	default:
		return true;
	}
}

/* At the stop before a call. True if the program shall go on. */
static bool judge(struct trace *t, pid_t pid, struct err *err)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		return err_sys(err, "read the registers") == 0;
	if (!changes(t, pid, &r) || ++t->calls != t->at)
		return true;
	t->syscall = (long)r.orig_rax;
	if (!t->fail)
		return false;
	if (t->fail < 0)
		return kill(pid, -t->fail) == 0 || err_sys(err, "send a signal") == 0;
	/* The kernel skips a call with the number -1 and returns rax. */
	r.orig_rax = (unsigned long long)-1;
	r.rax = (unsigned long long)-t->fail;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &r) < 0)
		return err_sys(err, "write the registers") == 0;
	return true;
}

/* A stop of the program (main) or of one of its children. Without t->all children are only
 * continued; they are traced because without a tracer the filter would make their calls fail. With
 * it a child that runs while the program is killed gets no further than its next such call. */
static void resume(struct trace *t, pid_t main, pid_t pid, int status, struct err *err)
{
	int signal = 0;

	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
		bool dies = t->all && t->killed;

		if (!dies && (pid == main || t->all) && !judge(t, pid, err)) {
			t->killed = dies = true;
			(void)kill(main, SIGKILL);
		}
		if (dies)
			(void)kill(pid, SIGKILL);
	} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP &&
		   (pid == main || WSTOPSIG(status) != SIGSTOP)) {
		signal = WSTOPSIG(status);
	}
	(void)ptrace(PTRACE_CONT, pid, NULL, signal);
}

/* Waits until the program and all its descendants have ended, so that nobody changes the node while
 * it is compared. */
static int follow(struct trace *t, pid_t pid, struct err *err)
{
	int status, last = 0;

	for (;;) {
		pid_t who = waitpid(-1, &status, __WALL);

		if (who < 0 && errno == ECHILD)
			break;
		if (who < 0)
			return err_sys(err, "wait for %s", t->argv[0]);
		if (WIFSTOPPED(status))
			resume(t, pid, who, status, err);
		else if (who == pid)
			last = status;
	}
	t->status = WIFSIGNALED(last) ? 128 + WTERMSIG(last) : WEXITSTATUS(last);
	return err->code ? -1 : 0;
}

int trace_run(struct trace *t, struct err *err)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0)
		child(t->argv);
	t->calls = 0;
	t->syscall = 0;
	t->killed = false;
	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
			   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) < 0 ||
	    ptrace(PTRACE_CONT, pid, NULL, 0) < 0)
		return err_sys(err, "trace %s", t->argv[0]);
	return follow(t, pid, err);
}
