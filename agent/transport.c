// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's listeners. A virtio-serial port is a single stream without connections: while the
 * host's side is closed, reads return end of file and poll reports a hang-up, so waiting for events
 * would spin. Therefore a timer polls the port until the host has reconnected.
 */

#include "agent/transport.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ttrpc/ttrpc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { PORT_WAIT_MS = 10000, RECONNECT_MS = 5 };

/* The device of the port NAME: /sys/class/virtio-ports/vport1p2/name. NULL: not there (yet). */
static char *find_port(const char *name)
{
	AUTO(dir) DIR *dir = opendir("/sys/class/virtio-ports");

	for (struct dirent *e; dir && (e = readdir(dir));) {
		AUTO(str) char *path = str_fmt("%s/name", e->d_name);
		struct err ignored = ERR_INIT; /* a port without a name is not ours */
		AUTO(str) char *has = NULL;

		if (e->d_name[0] == '.')
			continue;
		has = file_read_line(dirfd(dir), path, &ignored);
		if (str_eq(has, name))
			return str_fmt("/dev/%s", e->d_name);
	}
	return NULL;
}

int transport_open_port(const char *name, struct err *err)
{
	struct deadline deadline = deadline_in(PORT_WAIT_MS);
	AUTO(str) char *path = NULL;
	int fd;

	/* The driver creates ports when the device announces them, soon after boot. */
	while (!(path = find_port(name)) && !deadline_passed(deadline))
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	if (!path)
		return err_set(err, E_NOT_FOUND, "there is no virtio-serial port '%s'", name);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "open port %s", path) : fd;
}

struct port {
	struct loop *loop;
	struct ttrpc_server *server;
	struct watch *timer;
	int fd;
};

static bool on_port_closed(void *arg, int fd, const struct err *why);

static void on_port_timer(void *arg)
{
	struct port *p = arg;
	struct pollfd state = { .fd = p->fd, .events = POLLIN };

	if (poll(&state, 1, 0) > 0 && (state.revents & POLLHUP))
		return;
	timer_set(p->timer, 0, false);
	ttrpc_server_serve(p->server, p->fd, on_port_closed, p);
}

static bool on_port_closed(void *arg, int fd, const struct err *why)
{
	struct port *p = arg;

	(void)why;
	p->fd = fd;
	timer_set(p->timer, RECONNECT_MS, true);
	return true;
}

static int serve_port(struct loop *loop, struct ttrpc_server *server, const char *name,
		      struct err *err)
{
	struct port *p = NEW(struct port);

	*p = (struct port){ .loop = loop, .server = server };
	p->fd = transport_open_port(name, err);
	if (p->fd < 0) {
		free(p);
		return -1;
	}
	p->timer = loop_timer(loop, RECONNECT_MS, true, on_port_timer, p);
	on_port_timer(p);
	return 0; /* lives as long as the agent */
}

int transport_listen_vsock(unsigned cid, unsigned port, struct err *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	AUTO(fd) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return err_sys(err, "listen on vsock port %u", port);
	return STEAL(fd, -1);
}

/* "CID:PORT"; CID -1 is any. */
static int listen_vsock(const char *address, struct err *err)
{
	AUTO(strv) char **parts = strv_split(address, ":");
	uint64_t cid = VMADDR_CID_ANY, port;

	if (strv_len(parts) != 2)
		return err_set(err, E_CONFIG, "vsock address '%.64s' is not CID:PORT", address);
	if (str_u64(parts[1], 10, 1, UINT32_MAX, "vsock port", &port, err) < 0 ||
	    (!str_eq(parts[0], "-1") &&
	     str_u64(parts[0], 10, 0, UINT32_MAX, "vsock CID", &cid, err) < 0))
		return -1;
	return transport_listen_vsock((unsigned)cid, (unsigned)port, err);
}

int transport_serve(struct loop *loop, struct ttrpc_server *server, const char *address,
		    struct err *err)
{
	int fd;

	if (str_starts(address, "serial://"))
		return serve_port(loop, server, address + strlen("serial://"), err);
	if (str_starts(address, "unix://"))
		fd = fd_unix_listen(address + strlen("unix://"), err);
	else
		fd = listen_vsock(address + strlen("vsock://"), err);
	if (fd < 0)
		return -1;
	ttrpc_server_listen(server, fd);
	return 0;
}
