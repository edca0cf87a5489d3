// SPDX-License-Identifier: Apache-2.0
/* Input: from the manager to the agent, a piece at a time. */

#include "shim/io/io-internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "protocols/agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

static void send_input(void *arg);

static void on_closed(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	(void)err; /* the process may be gone, and its input with it */
	io_unref(arg);
}

void input_close(struct input *in)
{
	watch_remove(STEAL(in->watch, NULL));
	watch_remove(STEAL(in->again, NULL));
	fd_close(&in->fd);
	fd_close(&in->hold);
}

static void end_input(struct input *in)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	input_close(in);
	if (in->closed || in->discard || in->io->stopped || in->io->detached)
		return;
	in->closed = true;
	in->io->refs++;
	request.container_id = in->io->container;
	request.exec_id = in->io->exec;
	(void)ttrpc_call_async(in->io->vm->client, "grpc.AgentService", "CloseStdin", &request,
			       NULL, DEADLINE_NEVER, on_closed, in->io);
}

/* The guest is not trusted: an agent that takes nothing would be asked for ever. Here the writer
 * gets a broken pipe. */
static void reject(struct input *in, uint32_t taken)
{
	log_warn("standard input is closed: the agent's answer is impossible",
		 LOG_S("exec", in->io->exec), LOG_I("sent", (int64_t)in->piece.part),
		 LOG_I("taken", taken));
	end_input(in);
}

static void on_sent(void *arg, const void *reply, const struct err *err)
{
	struct input *in = arg;
	const Grpc__WriteStreamResponse *r = reply;
	struct io *io = in->io;

	if (!io->stopped && err && err->code == E_LIMIT && !io->detached) {
		loop_delay(io->loop, &in->again, piece_refused(&in->piece), send_input, in);
	} else if (!io->stopped && err) {
		/* A broken pipe would look like a failure to the manager. */
		in->discard = true;
		if (in->watch)
			watch_set(in->watch, EPOLLIN);
	} else if (!io->stopped && !piece_taken(&in->piece, r->len)) {
		reject(in, r->len);
	} else if (!io->stopped && piece_is_left(&in->piece)) {
		send_input(in);
	} else if (!io->stopped && in->watch) {
		watch_set(in->watch, EPOLLIN);
	}
	io_unref(io);
}

static void send_input(void *arg)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct input *in = arg;
	struct piece_part part = piece_next(&in->piece);

	if (in->io->detached)
		return;
	in->io->refs++;
	request.container_id = in->io->container;
	request.exec_id = in->io->exec;
	request.data.data = part.data;
	request.data.len = part.len;
	(void)ttrpc_call_async(in->io->vm->client, "grpc.AgentService", "WriteStdin", &request,
			       &grpc__write_stream_response__descriptor, DEADLINE_NEVER, on_sent,
			       in);
}

static void on_input(void *arg, uint32_t events)
{
	struct input *in = arg;
	ssize_t n;

	(void)events;
	if (!in->data)
		in->data = xmalloc(CHUNK);
	n = read(in->fd, in->data, CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(in);
		return;
	}
	if (in->discard)
		return;
	piece_begin(&in->piece, in->data, (size_t)n);
	watch_set(in->watch, 0);
	send_input(in);
}

/*
 * If the writer has already closed the FIFO before the start (POLLHUP), that is the end of the
 * input. Otherwise the FIFO is held open until CloseIO, also while the manager restarts.
 */
static void hold_input(struct input *in)
{
	struct pollfd state = { .fd = in->fd, .events = POLLIN };

	if (in->close_asked || (poll(&state, 1, 0) > 0 && (state.revents & POLLHUP)))
		return;
	in->hold = open(path_of_fd(in->fd).path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (in->hold < 0)
		log_warn("standard input will end with its writer", LOG_I("errno", errno));
}

/* A process without input reads end of file at once; a terminal has no end of file. */
void input_start(struct input *in)
{
	if (in->fd >= 0) {
		hold_input(in);
		in->watch = loop_watch(in->io->loop, in->fd, EPOLLIN, on_input, in);
	} else if (!in->io->terminal) {
		end_input(in);
	}
}
