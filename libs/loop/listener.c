// SPDX-License-Identifier: Apache-2.0
/* Accepting connections, with a pause when resources are exhausted. */

#include "loop/listener.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PAUSE_MS = 1000 };

struct listener {
	int fd, flags;
	struct watch *watch;
	struct watch *pause; /* a timer, made at the start, when there is an fd for it */
	bool accepting;
	bool is_short;  /* resources are exhausted: it pauses */
	bool was_short; /* a line was logged, and no connection was accepted since */
	listener_fn fn;
	void *arg;
};

static void update(struct listener *l)
{
	watch_set(l->watch, l->accepting && !l->is_short ? EPOLLIN : 0);
}

static void after_pause(void *arg)
{
	struct listener *l = arg;

	l->is_short = false;
	update(l);
}

/* The connection stays in the queue and the socket readable, so another accept(2) at once would
 * fail too. */
static void wait_for_room(struct listener *l)
{
	if (!l->was_short)
		log_warn("cannot accept a connection, trying again each second",
			 LOG_I("errno", errno));
	l->is_short = l->was_short = true;
	timer_set(l->pause, PAUSE_MS, false);
	update(l);
}

static void on_readable(void *arg, uint32_t events)
{
	struct listener *l = arg;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | l->flags);

	(void)events;
	if (fd >= 0) {
		l->was_short = false;
		l->fn(l->arg, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		wait_for_room(l);
	}
}

struct listener *listener_new(struct loop *loop, int fd, int flags, listener_fn fn, void *arg)
{
	struct listener *l = NEW(struct listener);
	struct err err = ERR_INIT;

	if (fd_nonblock(fd, true, &err) < 0)
		bug("%s", err.msg); /* it is open */
	*l = (struct listener){ .fd = fd, .flags = flags, .accepting = true, .fn = fn, .arg = arg };
	l->watch = loop_watch(loop, fd, EPOLLIN, on_readable, l);
	l->pause = loop_timer(loop, PAUSE_MS, false, after_pause, l);
	timer_set(l->pause, 0, false);
	return l;
}

void listener_set(struct listener *l, bool accepting)
{
	l->accepting = accepting;
	update(l);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	watch_remove(l->watch);
	watch_remove(l->pause);
	fd_close(&l->fd);
	free(l);
}
