// SPDX-License-Identifier: Apache-2.0
/*
 * The system call filter of a confined child. It allows the calls that libraries need to compute,
 * to read and write open files, and to open more files where Landlock and permissions allow it;
 * with a network, internet sockets too. Other calls fail with ENOSYS, so that libraries use a
 * fallback; calls that only an attacker would make kill the child.
 */

#include "confine/confine-internal.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

DEFINE_AUTO(filter, scmp_filter_ctx, NULL, seccomp_release)

static const char *const always[] = {
	/* open files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek",
	"close", "fstat", "newfstatat", "statx", "stat", "lstat", "ftruncate", "fallocate", "fsync",
	"fdatasync", "fadvise64", "copy_file_range", "fcntl", "dup", "dup2", "dup3", "fstatfs",
	/* more files */
	"open", "openat", "openat2", "mkdir", "mkdirat", "readlink", "readlinkat", "access",
	"faccessat", "faccessat2", "getcwd", "getdents64",
	/* memory, threads */
	"munmap", "mremap", "madvise", "brk", "futex", "set_robust_list", "rseq", "set_tid_address",
	"sched_yield", "sched_getaffinity", "membarrier", "arch_prctl",
	/* signals, time, self */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"getrandom", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid",
	"uname", "sysinfo", "getrlimit", "getrusage", "exit", "exit_group",
	/* waiting, reporting to the parent */
	"poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "eventfd2", "pipe", "pipe2", "sendto", "sendmsg", "recvfrom", "recvmsg"
};

static const char *const networked[] = { "connect",    "bind",        "getsockopt",
					 "setsockopt", "getsockname", "getpeername",
					 "shutdown",   "sendmmsg",    "recvmmsg" };

static const char *const deadly[] = {
	/* other programs and processes */
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
	"kill", "tkill", "pidfd_send_signal", "pidfd_getfd",
	/* file systems, namespaces */
	"mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at",
	"mknod", "mknodat", "symlink", "symlinkat", "link", "linkat", "chown", "fchown", "lchown",
	"fchownat",
	/* identity */
	"setuid", "setgid", "setresuid", "setresgid", "capset", "personality",
	/* the kernel and the machine */
	"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "init_module", "finit_module",
	"delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "iopl",
	"ioperm", "acct", "quotactl", "syslog"
};

static struct scmp_arg_cmp equals(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = arg, .op = SCMP_CMP_EQ, .datum_a = value };
}

static struct scmp_arg_cmp masked(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value
	};
}

static int add(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
	       const struct scmp_arg_cmp *cmp, struct err *err)
{
	int nr = seccomp_syscall_resolve_name(name), rc;

	if (nr == __NR_SCMP_ERROR)
		return 0; /* libseccomp does not know the call: it stays forbidden */
	rc = seccomp_rule_add_array(f, action, nr, n, cmp);
	if (rc == 0 || rc == -EDOM)
		return 0;
	errno = -rc;
	return err_sys(err, "filter %s", name);
}

static int add_all(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n,
		   struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (add(f, action, names[i], 0, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* Without a network no executable memory may be mapped; with one, the name service may load a
 * library. */
static int add_memory(scmp_filter_ctx f, bool exec, struct err *err)
{
	const struct scmp_arg_cmp data = masked(2, PROT_EXEC, 0);

	return add(f, SCMP_ACT_ALLOW, "mmap", exec ? 0 : 1, &data, err) < 0 ||
			       add(f, SCMP_ACT_ALLOW, "mprotect", exec ? 0 : 1, &data, err) < 0
		       ? -1
		       : 0;
}

/* Calls that are allowed with some arguments. */
static int add_some(scmp_filter_ctx f, struct err *err)
{
	const struct scmp_arg_cmp thread = masked(0, CLONE_THREAD, CLONE_THREAD);
	const struct scmp_arg_cmp nonblock = equals(1, FIONBIO);
	const struct scmp_arg_cmp ask = equals(2, 0);
	const struct scmp_arg_cmp self = equals(0, (uint64_t)getpid());

	return add(f, SCMP_ACT_ALLOW, "clone", 1, &thread, err) < 0 ||
			       add(f, SCMP_ACT_ALLOW, "ioctl", 1, &nonblock, err) < 0 ||
			       add(f, SCMP_ACT_ALLOW, "prlimit64", 1, &ask, err) < 0 ||
			       add(f, SCMP_ACT_ALLOW, "tgkill", 1, &self, err) < 0
		       ? -1
		       : 0;
}

/* Netlink is allowed because getaddrinfo reads the machine's addresses to sort its results. */
static int add_sockets(scmp_filter_ctx f, bool network, struct err *err)
{
	static const int domains[] = { AF_INET, AF_INET6, AF_NETLINK };
	const struct scmp_arg_cmp pair = equals(0, AF_UNIX);

	if (!network)
		return add(f, SCMP_ACT_ERRNO(EPERM), "socket", 0, NULL, err);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		const struct scmp_arg_cmp domain[] = { equals(0, (uint64_t)domains[i]),
						       equals(2, 0) };

		if (add(f, SCMP_ACT_ALLOW, "socket", domains[i] == AF_NETLINK ? 2 : 1, domain,
			err) < 0)
			return -1;
	}
	return add(f, SCMP_ACT_ALLOW, "socketpair", 1, &pair, err) < 0
		       ? -1
		       : add_all(f, SCMP_ACT_ALLOW, networked, ARRAY_LEN(networked), err);
}

int confine_filter(const struct confine *c, struct err *err)
{
	AUTO(filter) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc;

	if (!f)
		return err_set(err, E_FAILED, "no memory for a system call filter");
	if (add_all(f, SCMP_ACT_ALLOW, always, ARRAY_LEN(always), err) < 0 ||
	    add_all(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly), err) < 0 ||
	    add_memory(f, c->network || CONFINE_SANITIZED, err) < 0 || add_some(f, err) < 0 ||
	    add_sockets(f, c->network, err) < 0)
		return -1;
	rc = seccomp_load(f);
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_sys(err, "load the system call filter");
}
