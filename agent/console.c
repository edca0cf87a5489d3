// SPDX-License-Identifier: Apache-2.0
/* Where the agent's log goes, and the shells of the debug console. */

#include "agent/console.h"

#include "agent/transport.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "loop/listener.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHELL_AGAIN_MS = 1000 };

/* --- log --- */

/* The latest client gets the log. */
static void on_log_reader(void *arg, int fd)
{
	int old = log_set_fd(fd);

	(void)arg;
	if (old != STDERR_FILENO)
		fd_close(&old);
}

static int listen_on(struct loop *loop, unsigned port, int flags, listener_fn fn, struct err *err)
{
	int fd = transport_listen_vsock(VMADDR_CID_ANY, port, err);

	if (fd < 0)
		return -1;
	(void)listener_new(loop, fd, flags, fn,
			   loop); /* never freed: it lasts as long as the agent */
	return 0;
}

int logs_start(struct loop *loop, const struct settings *s, struct err *err)
{
	struct err missing = ERR_INIT;
	int fd = STDERR_FILENO;

	if (s->log_addr) {
		fd = transport_open_port(s->log_addr + strlen("serial://"), &missing);
		if (fd < 0)
			fd = STDERR_FILENO;
	}
	log_init("kata-agent", "agent", LOG_JSON, fd, (enum log_level)s->level);
	if (missing.code)
		log_err(LOG_WARN, &missing, "logging to the console");
	return s->log_port ? listen_on(loop, s->log_port, SOCK_NONBLOCK, on_log_reader, err) : 0;
}

/* --- shell --- */

struct shell {
	struct loop *loop;
	struct child child;
	struct watch *watch;
	int fd;     /* its terminal or connection, which it owns */
	bool again; /* start it again when it exits */
};

static void start_shell(struct shell *s);

static void start_again(void *arg)
{
	struct shell *s = arg;

	watch_remove(s->watch);
	s->watch = NULL;
	start_shell(s);
}

static void on_shell_end(void *arg, uint32_t events)
{
	struct shell *s = arg;
	struct err ignored = ERR_INIT;
	int code;

	(void)events;
	watch_remove(s->watch);
	s->watch = NULL;
	(void)!spawn_wait(&s->child, deadline_in(0), &code, &ignored);
	if (s->again) {
		s->watch = loop_timer(s->loop, SHELL_AGAIN_MS, false, start_again, s);
		return;
	}
	fd_close(&s->fd);
	free(s);
}

static void start_shell(struct shell *s)
{
	const struct spawn_fd fds[] = { { s->fd, 0 }, { s->fd, 1 }, { s->fd, 2 } };
	const char *program = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
	struct spawn spawn = {
		.argv = ARGV(program, "-i"), .fds = fds, .nfds = ARRAY_LEN(fds), .new_session = true
	};
	struct err err = ERR_INIT;

	if (spawn_start(&spawn, &s->child, &err) < 0) {
		log_err(LOG_WARN, &err, "no debug console");
		fd_close(&s->fd);
		free(s);
		return;
	}
	s->watch = loop_watch(s->loop, s->child.pidfd, EPOLLIN, on_shell_end, s);
}

static void new_shell(struct loop *loop, int fd, bool again)
{
	struct shell *s = NEW(struct shell);

	*s = (struct shell){ .loop = loop, .child = CHILD_NONE, .fd = fd, .again = again };
	start_shell(s);
}

static void on_console_reader(void *arg, int fd)
{
	new_shell(arg, fd, false);
}

int console_start(struct loop *loop, const struct settings *s, struct err *err)
{
	int fd;

	if (s->console_port)
		return listen_on(loop, s->console_port, 0, on_console_reader, err);
	fd = open("/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, "open /dev/console");
	new_shell(loop, fd, true);
	return 0;
}
