// SPDX-License-Identifier: Apache-2.0
/* The streams of a process from open to end. */

#include "shim/io/io-internal.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOGGER_MS = 12000 };

int io_open(const struct io_request *r, struct io **out, struct err *err)
{
	struct io *io = NEW(struct io);

	io->loop = r->loop;
	io->vm = r->vm;
	io->namespace = xstrdup(r->namespace);
	io->container = xstrdup(r->container);
	io->exec = xstrdup(r->exec);
	io->terminal = r->terminal;
	io->refs = 1;
	io->logger = CHILD_NONE;
	io->out = (struct output){ io, "ReadStdout", -1, .queue = BUF_INIT(IO_QUEUE_MAX) };
	io->err = (struct output){ io, "ReadStderr", -1, .queue = BUF_INIT(IO_QUEUE_MAX) };
	io->in = (struct input){ .io = io, .fd = -1, .hold = -1 };
	io->err.ended = r->terminal;
	(void)pthread_mutex_init(&io->lock, NULL);
	cond_init(&io->changed);
	if (io_open_streams(io, r, err) == 0) {
		*out = io;
		return 0;
	}
	spawn_kill(&io->logger);
	io_unref(io);
	return -1;
}

void io_start(struct io *io)
{
	input_start(&io->in);
	output_ask(&io->out);
	output_ask(&io->err);
}

static void detach_output(struct output *o)
{
	o->ended = true;
	output_flush(o);
}

void io_detach(struct io *io)
{
	if (!io || io->detached || io->stopped)
		return;
	io->detached = io->in.discard = true;
	if (io->in.watch)
		watch_set(io->in.watch, EPOLLIN);
	detach_output(&io->out);
	detach_output(&io->err);
	io_check_done(io);
}

/* Without our writer the FIFO reports end of file when the manager's writer is closed. */
void io_close_stdin(struct io *io)
{
	if (!io)
		return;
	fd_close(&io->in.hold);
	io->in.close_asked = true;
}

struct stop_request {
	struct io *io;
	struct child logger;
	bool ended;
};

static void stop_on_loop(void *arg)
{
	struct stop_request *r = arg;
	struct io *io = r->io;

	io->stopped = true;
	r->logger = io->logger;
	r->ended = io->out.ended && io->err.ended;
	output_stop(&io->out);
	output_stop(&io->err);
	input_close(&io->in);
	io_unref(io);
}

static void await_done(struct io *io, struct deadline deadline)
{
	(void)pthread_mutex_lock(&io->lock);
	while (!io->done && cond_wait_until(&io->changed, &io->lock, deadline))
		;
	(void)pthread_mutex_unlock(&io->lock);
}

static void finish_on_loop(void *arg)
{
	struct io *io = arg;

	if (!io->stopped) {
		output_give_up_reading(&io->out);
		output_give_up_reading(&io->err);
		io_check_done(io);
	}
}

bool io_finish(struct io *io, struct deadline deadline)
{
	struct stop_request r = { .io = io };
	struct err ignored = ERR_INIT;
	int code;

	if (!io)
		return true;
	loop_call(io->loop, finish_on_loop, io);
	await_done(io, deadline);
	loop_call(io->loop, stop_on_loop, &r);
	/* The pipes are closed, so the logging program exits; if not, it is killed. */
	if (r.logger.pid > 0 && spawn_wait(&r.logger, deadline_in(LOGGER_MS), &code, &ignored) < 0)
		spawn_kill(&r.logger);
	return r.ended;
}
