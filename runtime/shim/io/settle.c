// SPDX-License-Identifier: Apache-2.0
/* Waiting for the readers of an ended process's output. */

#include "shim/io/io-internal.h"

#include "base/mem.h"
#include "protocols/health.pb-c.h"

#include <stdlib.h>
#include <sys/ioctl.h>

enum { TICK_MS = 2, QUIET_MS = 50, STALLED_MS = 2000, SETTLE_MS = 5000 };

struct settle {
	struct io *io;
	struct watch *timer; /* NULL: it is over */
	loop_fn done;
	void *arg;
	size_t moved, left; /* as of the last change */
	struct deadline quiet, stalled, end;
	bool checking, checked; /* the agent is asked; it has answered since the last change */
};

static void free_when_over(struct settle *s)
{
	if (!s->timer && !s->checking)
		free(s);
}

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

static void begin_quiet(struct settle *s)
{
	s->quiet = deadline_in(QUIET_MS);
	s->stalled = deadline_in(STALLED_MS);
	s->checked = false;
}

static void on_checked(void *arg, const void *reply, const struct err *err)
{
	struct settle *s = arg;

	(void)reply;
	(void)err;
	s->checking = false;
	free_when_over(s);
}

/*
 * That nothing arrives for a while may mean that the guest, or this program, gets no processor time.
 * The agent answers in order: before its answer to a later request the output arrives that it had
 * when it got the requests for output.
 */
static void check(struct settle *s)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	s->checking = s->checked = true;
	(void)ttrpc_call_async(s->io->vm->client, "grpc.Health", "Check", &request,
			       &grpc__health_check_response__descriptor, s->end, on_checked, s);
}

/* True if the agent has no output of the process, as far as one can know. */
static bool is_quiet(struct settle *s)
{
	struct io *io = s->io;
	size_t left = not_taken(&io->out) + not_taken(&io->err);

	if (left != s->left || io->moved != s->moved || io->out.postponed || io->err.postponed) {
		s->left = left;
		s->moved = io->moved;
		begin_quiet(s);
	}
	if (!deadline_passed(s->quiet))
		return false;
	if (io->detached)
		return true;
	if (!s->checked && !s->checking)
		check(s);
	return s->checked && !s->checking;
}

static bool settled(struct settle *s)
{
	struct io *io = s->io;
	bool quiet;

	if (io->stopped || (taken(&io->out, false) && taken(&io->err, false)))
		return true;
	quiet = is_quiet(s);
	return (taken(&io->out, quiet) && taken(&io->err, quiet)) ||
	       (!s->checking && deadline_passed(s->stalled)) || deadline_passed(s->end);
}

static void on_settle_tick(void *arg)
{
	struct settle *s = arg;

	if (!settled(s))
		return;
	watch_remove(STEAL(s->timer, NULL));
	s->done(s->arg);
	io_unref(s->io);
	free_when_over(s);
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
			      .end = deadline_in(SETTLE_MS) };
	begin_quiet(s);
	/* There is no event for a pipe that becomes empty. */
	s->timer = loop_timer(io->loop, TICK_MS, true, on_settle_tick, s);
}
