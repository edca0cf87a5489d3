// SPDX-License-Identifier: Apache-2.0
/* Whole reads and writes, fd passing, pipes and unix sockets. */

#include "base/fd.h"

#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 10000 };

void fd_fill_standard(void)
{
	int fd;

	do
		fd = open("/", O_PATH | O_DIRECTORY); /* not close-on-exec, as theirs are not */
	while (fd >= 0 && fd <= 2);
	fd_close(&fd);
}

bool fd_end_output(struct err *err)
{
	bool failed = fflush(stdout) != 0;

	if (err->code || !failed)
		return err->code != E_OK;
	err_sys(err, "write the output");
	return err->sys != EPIPE;
}

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

ssize_t fd_read_full(int fd, void *data, size_t len, struct err *err)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)data + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int fd_write_until(int fd, const void *data, size_t len, struct deadline deadline, struct err *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (poll(&wait, 1, deadline_left(deadline)) == 0 ||
			    deadline_passed(deadline))
				return err_set(err, E_TIMEOUT, "write: nobody reads");
			continue;
		}
		if (n < 0)
			return err_sys(err, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *data, size_t len, struct err *err)
{
	return fd_write_until(fd, data, len, DEADLINE_NEVER, err);
}

int fd_pipe(int ends[2], struct err *err)
{
	return pipe2(ends, O_CLOEXEC) < 0 ? err_sys(err, "make a pipe") : 0;
}

int fd_socketpair(int type, int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "make a socket pair");
	return 0;
}

int fd_nonblock(int fd, bool on, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return err_sys(err, "set fd %d %sblocking", fd, on ? "non-" : "");
	return 0;
}

int fd_cloexec(int fd, bool on, struct err *err)
{
	if (fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
		return err_sys(err, "set close-on-exec of fd %d", fd);
	return 0;
}

int fd_check_room(unsigned n, struct err *err)
{
	struct rlimit limit = { .rlim_cur = 0 };
	unsigned free_ones = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(err, "read the limit of open files");
	for (int fd = 0; free_ones < n && (rlim_t)fd < limit.rlim_cur; fd++)
		free_ones += fcntl(fd, F_GETFD) < 0;
	if (free_ones == n)
		return 0;
	err_set(err, E_LIMIT, "only %u more files can be opened, and %u may be needed", free_ones,
		n);
	return err_hint(err, "raise the limit of open files (ulimit -n %llu)",
			(unsigned long long)limit.rlim_cur + n - free_ones);
}

static struct rlimit limit_before; /* all 0: it was not raised */

void fd_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit_before = limit;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

void fd_restore_limit(void)
{
	if (limit_before.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &limit_before);
}

int fd_dup(int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? err_sys(err, "duplicate fd %d", fd) : copy;
}

union fd_control {
	struct cmsghdr head;
	char space[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t nfds, struct err *err)
{
	struct iovec part = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	union fd_control control;
	ssize_t n;

	if (nfds > FD_PASS_MAX)
		bug("%zu fds in one message", nfds);
	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "send a message with %zu fds", nfds);
	/* The fds were sent with the first byte; on a stream socket the rest of the data may still
	 * have to be sent. */
	return fd_write_all(sock, (const char *)data + n, len - (size_t)n, err);
}

ssize_t fd_recv(int sock, void *data, size_t len, int fds[FD_PASS_MAX], size_t *nfds,
		struct err *err)
{
	struct iovec part = { data, len };
	union fd_control control;
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	*nfds = 0;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "receive a message");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *nfds * sizeof(int));
	}
	return n;
}

static int unix_address(const char *path, struct sockaddr_un *addr, socklen_t *len, struct err *err)
{
	size_t n = strlen(path);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n == 0 || n >= sizeof(addr->sun_path))
		return err_set(err, E_LIMIT,
			       "socket path '%s' has %zu bytes, the kernel allows 1..%zu", path, n,
			       sizeof(addr->sun_path) - 1);
	memcpy(addr->sun_path, path, n);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (*path == '@')
		addr->sun_path[0] = '\0';
	else
		(*len)++;
	return 0;
}

void fd_limit_time(int sock, int option, struct deadline deadline)
{
	int left = deadline_left(deadline);
	struct timeval t = { 0, 0 }; /* 0: for ever */

	if (left >= 0) {
		t.tv_sec = left / 1000;
		t.tv_usec = (left % 1000) * 1000 + 1;
	}
	(void)setsockopt(sock, SOL_SOCKET, option, &t, sizeof(t));
}

void fd_keep_alive(int sock, int idle_s, int probe_s)
{
	const int on = 1;

	(void)setsockopt(sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(sock, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(sock, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof(probe_s));
}

int fd_connect(int sock, const struct sockaddr *to, unsigned len, struct deadline deadline,
	       const char *name, struct err *err)
{
	int rc;

	do {
		fd_limit_time(sock, SO_SNDTIMEO, deadline);
		rc = connect(sock, to, len);
	} while (rc < 0 && errno == EINTR);
	/* EAGAIN: a unix socket; EINPROGRESS: others. */
	if (rc < 0 && (errno == EAGAIN || errno == EINPROGRESS))
		return err_set(err, E_TIMEOUT, "connect to %s: not accepted in time", name);
	if (rc < 0)
		return err_sys(err, "connect to %s", name);
	fd_limit_time(sock, SO_SNDTIMEO, DEADLINE_NEVER);
	return 0;
}

int fd_unix_connect_until(const char *path, struct deadline deadline, struct err *err)
{
	struct sockaddr_un addr;
	socklen_t len;

	if (unix_address(path, &addr, &len, err) < 0)
		return -1;
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "connect to %s", path);
	if (fd_connect(fd, (struct sockaddr *)&addr, len, deadline, path, err) < 0)
		return -1;
	return STEAL(fd, -1);
}

int fd_unix_connect(const char *path, struct err *err)
{
	return fd_unix_connect_until(path, deadline_in(CONNECT_MS), err);
}

int fd_unix_listen(const char *path, struct err *err)
{
	struct sockaddr_un addr;
	socklen_t len;

	if (unix_address(path, &addr, &len, err) < 0)
		return -1;
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* bind creates the inode with the mode of the socket, so nobody can connect in between. */
	if (fd < 0 || (*path != '@' && fchmod(fd, 0600) < 0) ||
	    bind(fd, (struct sockaddr *)&addr, len) < 0)
		return err_sys(err, "bind %s", path);
	if (listen(fd, SOMAXCONN) < 0)
		return err_sys(err, "listen on %s", path);
	return STEAL(fd, -1);
}

char *fd_path(int fd)
{
	struct path_fd link = path_of_fd(fd);
	char target[PATH_MAX];
	ssize_t n = readlink(link.path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return strdup(target);
}
