// SPDX-License-Identifier: Apache-2.0
/* Reserves a CID, and connects to a guest that may still be booting. */

#include "vmm/vsock.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE "/dev/vhost-vsock"

enum { CID_MIN = VMADDR_CID_HOST + 1, CID_TRIES = 64, AGAIN_MS = 5 };

bool vsock_is_there(void)
{
	return access(DEVICE, R_OK | W_OK) == 0;
}

static uint32_t random_cid(void)
{
	uint32_t cid;

	if (getrandom(&cid, sizeof(cid), 0) != (ssize_t)sizeof(cid))
		bug("no random bytes: errno %d", errno);
	return CID_MIN + cid % (VMADDR_CID_ANY - CID_MIN);
}

int vsock_open(uint32_t *cid, struct err *err)
{
	AUTO(fd) int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "open " DEVICE);
		return err_hint(err, "load the module vhost_vsock");
	}
	for (int i = 0; i < CID_TRIES; i++) {
		uint64_t wanted = *cid = random_cid();

		if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &wanted) == 0)
			return STEAL(fd, -1);
		if (errno != EADDRINUSE)
			break;
	}
	return err_sys(err, "allocate a vsock CID for a guest from " DEVICE);
}

/* True for errors of connect(2) while the guest's kernel or its agent is not up yet. */
static bool may_come_up(int why)
{
	return why == ECONNRESET || why == ECONNREFUSED || why == ENODEV || why == ETIMEDOUT ||
	       why == EHOSTUNREACH || why == ENETUNREACH || why == EINTR;
}

/* Waits for ms or until fd is writable; fd -1 just waits. Returns 1 if it is writable, 0 if not, -1
 * with E_GONE if the VM ended. */
static int await(int fd, int ended, int ms, struct err *err)
{
	struct pollfd wait[] = { { .fd = ended, .events = POLLIN },
				 { .fd = fd, .events = POLLOUT } };
	int n = poll(wait, 2, ms);

	if (n > 0 && wait[0].revents)
		return err_set(err, E_GONE, "the VM ended");
	return n > 0;
}

/* Returns 0 if connected, the errno of the failure, or -1 with E_GONE if the VM ended. */
static int finish_connect(int fd, int ended, struct deadline deadline, struct err *err)
{
	int why = 0, ready = await(fd, ended, deadline_left(deadline), err);
	socklen_t len = sizeof(why);

	if (ready < 0)
		return -1;
	if (!ready)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 ? errno : why;
}

int vsock_dial(uint32_t cid, unsigned port, int ended, struct deadline deadline, struct err *err)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };

	for (;;) {
		AUTO(fd) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		int why;

		if (fd < 0)
			return err_sys(err, "make a vsock");
		why = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
		if (why == EINPROGRESS)
			why = finish_connect(fd, ended, deadline, err);
		if (why < 0)
			return -1;
		if (!why)
			return STEAL(fd, -1);
		errno = why;
		if (!may_come_up(why))
			return err_sys(err, "connect to vsock %u:%u", cid, port);
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "nobody listened on vsock %u:%u in time",
				       cid, port);
		if (await(-1, ended, AGAIN_MS, err) < 0)
			return -1;
	}
}
