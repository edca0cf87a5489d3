// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vsock_lab.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

static int notifier = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vsock_seen seen; /* guarded by lock */

/* Covers /dev with a tmpfs of its own, so that the additional node is not seen by others. The node
 * is another /dev/null: it can be opened and does nothing. */
void vsock_lab_device(void)
{
	static const struct {
		const char *name;
		unsigned minor;
	} nodes[] = { { "null", 3 },   { "zero", 5 },    { "full", 7 },
		      { "random", 8 }, { "urandom", 9 }, { "vhost-vsock", 3 } };

	ck_assert(mount("tmpfs", "/dev", "tmpfs", 0, "mode=0755") == 0);
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		AUTO(str) char *path = path_join("/dev", nodes[i].name);

		ck_assert(mknod(path, S_IFCHR | 0666, makedev(1, nodes[i].minor)) == 0);
	}
	ck_assert(symlink("/proc/self/fd", "/dev/fd") == 0);
}

static int read_of(pid_t pid, uint64_t at, void *to, size_t len)
{
	struct iovec here = { to, len }, there = { (void *)(uintptr_t)at, len };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -1;
}

/* Each of these handles a system call. They return the errno that it fails with, or 0. */

static int set_cid(const struct seccomp_notif *n)
{
	uint64_t cid = 0;

	if (read_of((pid_t)n->pid, n->data.args[2], &cid, sizeof(cid)) < 0)
		return EFAULT;
	seen.cid = (uint32_t)cid;
	return seen.asked++ == 0 ? EADDRINUSE : 0;
}

static int connect_guest(const struct seccomp_notif *n)
{
	struct sockaddr_vm to;
	struct err refused = ERR_INIT;

	if (read_of((pid_t)n->pid, n->data.args[1], &to, sizeof(to)) < 0)
		return EFAULT;
	if (to.svm_family != AF_VSOCK || to.svm_cid != seen.cid)
		return ENODEV;
	AUTO(str) char *path = str_fmt(VSOCK_SOCKET "-%u", to.svm_port);
	AUTO(fd) int fd = fd_unix_connect(path, &refused);
	struct seccomp_notif_addfd add = { .id = n->id,
					   .flags = SECCOMP_ADDFD_FLAG_SETFD,
					   .srcfd = (uint32_t)fd,
					   .newfd = (uint32_t)n->data.args[0],
					   .newfd_flags = O_CLOEXEC };
	if (fd < 0) {
		seen.refused++;
		return ECONNRESET;
	}
	/* Replaces the caller's socket with the connected one. */
	if (fd_nonblock(fd, true, &refused) < 0 ||
	    ioctl(notifier, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
		return EIO;
	seen.connected++;
	return 0;
}

static void answer(const struct seccomp_notif *n)
{
	struct seccomp_notif_resp r = { .id = n->id };

	(void)pthread_mutex_lock(&lock);
	if (n->data.nr == __NR_ioctl)
		r.error = -set_cid(n);
	else
		r.error = -connect_guest(n);
	(void)pthread_mutex_unlock(&lock);
	(void)ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static void *play(void *arg)
{
	(void)arg;
	for (;;) {
		struct seccomp_notif n = { 0 };

		if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &n) == 0)
			answer(&n);
		else if (errno != EINTR && errno != ENOENT)
			return NULL;
	}
}

#define ARG(n)    (offsetof(struct seccomp_data, args) + 8 * (n)) /* its low half */
#define LOAD(at)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF(v, n)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, 0, n) /* else skip n */
#define RETURN(v) BPF_STMT(BPF_RET | BPF_K, v)

void vsock_lab_start(void)
{
	/* The filter cannot read the address of a connect(), but no other family has addresses of
	 * this length. */
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(__NR_ioctl, 3),
		LOAD(ARG(1)),
		IF((uint32_t)VHOST_VSOCK_SET_GUEST_CID, 4),
		RETURN(SECCOMP_RET_USER_NOTIF),
		IF(__NR_connect, 2),
		LOAD(ARG(2)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sizeof(struct sockaddr_vm), 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { ARRAY_LEN(filter), filter };
	pthread_t thread;

	notifier = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	ck_assert_msg(notifier >= 0, "seccomp: errno %d", errno);
	ck_assert(fcntl(notifier, F_SETFD, FD_CLOEXEC) == 0);
	ck_assert(pthread_create(&thread, NULL, play, NULL) == 0);
}

struct vsock_seen vsock_lab_seen(void)
{
	struct vsock_seen copy;

	(void)pthread_mutex_lock(&lock);
	copy = seen;
	(void)pthread_mutex_unlock(&lock);
	return copy;
}
