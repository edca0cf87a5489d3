// SPDX-License-Identifier: Apache-2.0
/* Waiting for the readers of an ended process's output. */

#include "shim/io/io-internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/ioctl.h>

enum { TICK_MS = 2, QUIET_MS = 50, STALLED_MS = 2000, SETTLE_MS = 5000 };

struct settle {
	struct io *io;
	struct watch *timer;
	loop_fn done;
	void *arg;
	size_t moved, left; /* as of the last change */
	struct deadline quiet, stalled, end;
};

static size_t not_taken(const struct output *o)
{
	int unread = 0;

	if (o->fd >= 0 && o->pollable && ioctl(o->fd, FIONREAD, &unread) < 0)
		unread = 0; /* not supported, e.g. by a socket of a logging program */
	return o->queue.len + (size_t)unread;
}

/* All output of the process was read. If other processes still hold the output open, there is no
 * end of file to wait for; then it counts as settled when nothing more arrives. So does a FIFO that nobody
 * opens: its reader may have gone. */
static bool taken(const struct output *o, bool quiet)
{
	return ((o->ended && !o->awaiting) || quiet) && !not_taken(o);
}

static bool settled(struct settle *s)
{
	struct io *io = s->io;
	size_t left = not_taken(&io->out) + not_taken(&io->err);
	bool quiet;

	if (left != s->left || io->moved != s->moved) {
		s->left = left;
		s->moved = io->moved;
		s->quiet = deadline_in(QUIET_MS);
		s->stalled = deadline_in(STALLED_MS);
	}
	quiet = deadline_passed(s->quiet);
	return io->stopped || (taken(&io->out, quiet) && taken(&io->err, quiet)) ||
	       deadline_passed(s->stalled) || deadline_passed(s->end);
}

static void on_settle_tick(void *arg)
{
	struct settle *s = arg;

	if (!settled(s))
		return;
	watch_remove(s->timer);
	s->done(s->arg);
	io_unref(s->io);
	free(s);
}

void io_settle(struct io *io, loop_fn done, void *arg)
{
	struct settle *s;

	if (!io || io->stopped || (taken(&io->out, false) && taken(&io->err, false))) {
		done(arg);
		return;
	}
	s = NEW(struct settle);
	io->refs++;
	*s = (struct settle){ .io = io,
			      .done = done,
			      .arg = arg,
			      .moved = io->moved,
			      .left = not_taken(&io->out) + not_taken(&io->err),
			      .quiet = deadline_in(QUIET_MS),
			      .stalled = deadline_in(STALLED_MS),
			      .end = deadline_in(SETTLE_MS) };
	/* There is no event for a pipe that becomes empty. */
	s->timer = loop_timer(io->loop, TICK_MS, true, on_settle_tick, s);
}
