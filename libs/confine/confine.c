// SPDX-License-Identifier: Apache-2.0
/*
 * Starts confined children, receives their messages and ends them. A child is always killed and
 * reaped before its result is returned, so that it cannot change its output afterwards.
 */

#include "confine/confine-internal.h"

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long a child may take to exit after it closed its socket. */
enum { PARTING_MS = 2000 };

enum { KIND_SAID = 's', KIND_DONE = 'd', KIND_FAILED = 'f' };

struct confine_talk {
	int sock;
};

/* The final message of a child, after its kind. */
struct last_word {
	int32_t code, sys;
	char msg[sizeof(((struct err *)0)->msg)];
};

struct confined {
	const char *name;
	struct child child;
	int sock;
	confine_heard *heard;
	void *heard_arg;
};

/* --- in the child --- */

static void send_kind(int sock, char kind, const void *data, size_t len)
{
	char text[1 + CONFINE_MESSAGE_MAX];
	ssize_t n;

	if (len > CONFINE_MESSAGE_MAX)
		bug("a message of %zu bytes", len);
	text[0] = kind;
	memcpy(text + 1, data, len);
	do
		n = send(sock, text, 1 + len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		_exit(1); /* the parent has ended */
}

void confine_say(struct confine_talk *talk, const void *data, size_t len)
{
	send_kind(talk->sock, KIND_SAID, data, len);
}

static int set_signals(pid_t parent, struct err *err)
{
	sigset_t none;

	(void)sigemptyset(&none);
	/* From a terminal the signal goes to both processes; the parent handles it. */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR ||
	    signal(SIGTERM, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return err_sys(err, "set signals");
	/* Set after the change of the user, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "set the parent-death signal");
	return getppid() == parent ? 0 : err_set(err, E_GONE, "the parent is gone");
}

static int restrict_self(const struct confine *c, pid_t parent, int talk, struct err *err)
{
	if (confine_close_fds(c, talk, err) < 0 || confine_limit(c, err) < 0 ||
	    confine_lower(c, err) < 0 || set_signals(parent, err) < 0 ||
	    confine_landlock(c, err) < 0 || confine_filter(c, err) < 0)
		return err_wrap(err, "confine the child");
	return 0;
}

static _Noreturn void be_child(const struct confine *c, pid_t parent, int sock, confine_work *work,
			       void *arg)
{
	struct confine_talk talk = { sock };
	struct err err = ERR_INIT;
	struct last_word last = { 0 };

	if (restrict_self(c, parent, sock, &err) < 0 || work(arg, &talk, &err) < 0) {
		last.code = err.code;
		last.sys = err.sys;
		memcpy(last.msg, err.msg, sizeof(last.msg));
		send_kind(sock, KIND_FAILED, &last, sizeof(last));
		_exit(1);
	}
	send_kind(sock, KIND_DONE, "", 0);
	_exit(0);
}

/* --- in the parent --- */

void confine_kill(struct confined *child)
{
	if (!child)
		return;
	spawn_kill(&child->child);
	fd_close(&child->sock);
	free(child);
}

int confine_start(const struct confine *c, confine_work *work, void *work_arg, confine_heard *heard,
		  void *heard_arg, struct confined **out, struct err *err)
{
	pid_t parent = getpid();
	struct child child;
	int ends[2], side;

	if (fd_socketpair(SOCK_SEQPACKET, ends, err) < 0)
		return err_wrap(err, "%s", c->name);
	AUTO(fd) int ours = ends[0], theirs = ends[1];
	side = spawn_fork(&child, err);
	if (side < 0)
		return err_wrap(err, "%s", c->name);
	if (side == 0)
		be_child(c, parent, theirs, work, work_arg);
	*out = NEW(struct confined);
	**out = (struct confined){ .name = c->name,
				   .child = child,
				   .sock = STEAL(ours, -1),
				   .heard = heard,
				   .heard_arg = heard_arg };
	return 0;
}

/* The error message of a child, which may be compromised. */
static int take_failure(const struct confined *c, const char *data, size_t len, struct err *err)
{
	struct last_word last;

	if (len != sizeof(last))
		return err_set(err, E_PROTOCOL, "%s: invalid message from the child", c->name);
	memcpy(&last, data, sizeof(last));
	last.msg[sizeof(last.msg) - 1] = '\0';
	(void)err_take(err, last.code, last.sys, ERR_HERE, last.msg);
	return err_wrap(err, "%s", c->name);
}

/* The child closed its socket without a final message. */
static int ended_early(struct confined *c, struct err *err)
{
	struct err late = ERR_INIT;
	int code;

	if (spawn_wait(&c->child, deadline_in(PARTING_MS), &code, &late) < 0)
		return err_set(err, E_GONE, "%s: the child closed its socket early", c->name);
	if (code == 128 + SIGSYS)
		return err_set(err, E_GONE, "%s: the child was killed for a forbidden system call",
			       c->name);
	return err_set(err, E_GONE, "%s: the child ended early, with status %d", c->name, code);
}

/* Receives a message. Returns 1 if the child has succeeded, 0 if it goes on, -1 if it failed. */
static int hear(struct confined *c, struct err *err)
{
	char text[1 + CONFINE_MESSAGE_MAX];
	ssize_t n = recv(c->sock, text, sizeof(text), MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return ended_early(c, err);
	if ((size_t)n > sizeof(text))
		return err_set(err, E_PROTOCOL, "%s: the child sent too long a message", c->name);
	switch (text[0]) {
	case KIND_SAID:
		return c->heard ? c->heard(c->heard_arg, text + 1, (size_t)n - 1, err) : 0;
	case KIND_DONE:
		return 1;
	case KIND_FAILED:
		return take_failure(c, text + 1, (size_t)n - 1, err);
	default:
		return err_set(err, E_PROTOCOL, "%s: invalid message from the child", c->name);
	}
}

int confine_wait(struct confined **all, size_t n, struct deadline deadline, size_t *ended,
		 struct err *err)
{
	AUTO(mem) struct pollfd *polls = xcalloc(n + 1, sizeof(*polls));
	size_t alive = 0;
	int rc = 0;

	*ended = n;
	for (size_t i = 0; i < n; i++) {
		polls[i] = (struct pollfd){ .fd = all[i] ? all[i]->sock : -1, .events = POLLIN };
		alive += all[i] != NULL;
	}
	polls[n] = (struct pollfd){ .fd = interrupt_fd(), .events = POLLIN };
	if (!alive)
		bug("nobody to wait for");
	if (poll(polls, n + 1, deadline_left(deadline)) < 0)
		return errno == EINTR ? 0 : err_sys(err, "wait for children");
	if (interrupt_check(err) < 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!polls[i].revents)
			continue;
		rc = hear(all[i], err);
		if (rc != 0) {
			confine_kill(STEAL(all[i], NULL));
			*ended = i;
		}
	}
	return rc < 0 ? -1 : 0;
}

int confine_run(const struct confine *c, confine_work *work, void *work_arg, confine_heard *heard,
		void *heard_arg, struct err *err)
{
	AUTO(confined) struct confined *child = NULL;
	size_t ended;
	int rc = confine_start(c, work, work_arg, heard, heard_arg, &child, err);

	while (rc == 0 && child)
		rc = confine_wait(&child, 1, DEADLINE_NEVER, &ended, err);
	return rc;
}

const char *confine_walls(void)
{
	static char text[64];
	int abi = confine_landlock_abi();

	(void)str_print(text, sizeof(text), "%sseccomp", geteuid() == 0 ? "user, " : "");
	if (abi > 0)
		(void)str_print(text + strlen(text), sizeof(text) - strlen(text), ", landlock %d",
				abi);
	return text;
}
