// SPDX-License-Identifier: Apache-2.0
/* Output: from the agent, by way of a queue, to the manager. */

#include "shim/io/io-internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { READER_MS = 30000, LOOK_MS = 5 };

static void io_free(struct io *io)
{
	fd_close(&io->out.fd);
	fd_close(&io->err.fd);
	fd_close(&io->in.fd);
	fd_close(&io->in.hold);
	buf_release(&io->out.queue);
	buf_release(&io->err.queue);
	free(io->in.data);
	free(io->namespace);
	free(io->container);
	free(io->exec);
	(void)pthread_mutex_destroy(&io->lock);
	(void)pthread_cond_destroy(&io->changed);
	free(io);
}

void io_unref(struct io *io)
{
	if (--io->refs == 0)
		io_free(io);
}

void io_check_done(struct io *io)
{
	if (!io->out.ended || io->out.queue.len || !io->err.ended || io->err.queue.len)
		return;
	(void)pthread_mutex_lock(&io->lock);
	io->done = true;
	(void)pthread_cond_broadcast(&io->changed);
	(void)pthread_mutex_unlock(&io->lock);
}

void output_finish(struct output *o)
{
	watch_remove(STEAL(o->watch, NULL));
	watch_remove(STEAL(o->awaiting, NULL));
	buf_clear(&o->queue);
	fd_close(&o->fd);
}

void output_stop(struct output *o)
{
	output_finish(o);
	watch_remove(STEAL(o->again, NULL));
}

static void on_writable(void *arg, uint32_t events);

/* Enlarges the pipe, so that the reader wakes less often. True, once, if there is more room now. */
static bool grow_pipe(struct output *o)
{
	if (o->grown)
		return false;
	o->grown = true;
	return fcntl(o->fd, F_SETPIPE_SZ, IO_CHUNK) > 0;
}

static void drop_output(struct output *o)
{
	log_warn("cannot write output, dropping it from here on", LOG_S("stream", o->method),
		 LOG_I("errno", errno));
	output_finish(o);
}

/* Writes what the manager accepts now and returns how much. If it is gone, o's fd is closed. */
static size_t put(struct output *o, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len && o->fd >= 0) {
		ssize_t n = write(o->fd, (const char *)data + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN && !grow_pipe(o))
			break;
		else if (errno != EINTR && errno != EAGAIN)
			drop_output(o);
	}
	return done;
}

/* --- the end --- */

/* Without one, a FIFO that is open for writing only reports an error. */
static bool has_reader(const struct output *o)
{
	struct pollfd p = { .fd = o->fd };

	return poll(&p, 1, 0) < 0 || !(p.revents & POLLERR);
}

static void on_look(void *arg)
{
	struct output *o = arg;

	if (has_reader(o) || deadline_passed(o->until))
		output_finish(o);
}

static bool drop_reading_end(struct output *o)
{
	AUTO(str) char *path = str_fmt("/proc/self/fd/%d", o->fd);
	AUTO(fd) int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (writer < 0)
		return false;
	watch_remove(STEAL(o->watch, NULL));
	fd_close(&o->fd);
	o->fd = STEAL(writer, -1);
	o->fifo = false;
	return true;
}

void output_give_up_reading(struct output *o)
{
	if (o->fifo && o->fd >= 0 && drop_reading_end(o))
		output_flush(o);
}

/* The manager may open its end when a short program has ended long ago: what is in the FIFO would be lost
 * with our end, and its open would wait for ever. */
static void end(struct output *o)
{
	if (!o->fifo || o->fd < 0 || !drop_reading_end(o) || has_reader(o)) {
		output_finish(o);
		return;
	}
	o->until = deadline_in(READER_MS);
	o->awaiting = loop_timer(o->io->loop, LOOK_MS, true, on_look, o);
}

/* --- */

/* Writes queued output as far as the manager accepts it. */
void output_flush(struct output *o)
{
	size_t done = put(o, o->queue.data, o->queue.len);

	if (o->fd < 0)
		buf_clear(&o->queue);
	else
		buf_eat(&o->queue, done);
	if (o->queue.len) {
		if (!o->watch)
			o->watch = loop_watch(o->io->loop, o->fd, EPOLLOUT, on_writable, o);
		return;
	}
	watch_remove(STEAL(o->watch, NULL));
	if (o->ended && !o->awaiting)
		end(o);
}

static void on_writable(void *arg, uint32_t events)
{
	struct output *o = arg;

	(void)events;
	output_flush(o);
	output_ask(o);
	io_check_done(o->io);
}

/* What is not accepted at once is appended to the queue. */
static void deliver(struct output *o, const uint8_t *data, size_t len)
{
	size_t done = o->queue.len ? 0 : put(o, data, len);

	if (o->fd >= 0 && done < len)
		buf_add(&o->queue, data + done, len - done);
}

/* The agent has finished the request: ask for the next piece while this answer is in transit. */
static void on_begun(void *arg)
{
	struct output *o = arg;

	if (o->io->stopped || o->arriving)
		return;
	o->arriving = true;
	o->asking = false;
	output_ask(o);
}

static void on_again(void *arg)
{
	struct output *o = arg;

	o->asking = o->postponed = false;
	output_ask(o);
}

static void on_output(void *arg, const uint8_t *data, size_t len, const struct err *err)
{
	struct output *o = arg;

	if (err && err->code == E_LIMIT && !o->io->stopped) {
		/* The agent has no room for the request now; the output is still there. */
		o->postponed = true;
		loop_delay(o->io->loop, &o->again, VM_AGAIN_MS, on_again, o);
		io_unref(o->io);
		return;
	}
	if (o->arriving)
		o->arriving = false;
	else
		o->asking = false;
	if (o->io->stopped) {
		io_unref(o->io);
		return;
	}
	o->io->moved++;
	/* If there is room, request the next piece before this one is written. */
	if (err)
		o->ended = true; /* end of the stream or of the sandbox */
	else
		output_ask(o);
	deliver(o, data, len);
	output_flush(o);
	output_ask(o);
	io_check_done(o->io);
	io_unref(o->io);
}

void output_ask(struct output *o)
{
	static const struct ttrpc_reader reader = { on_begun, on_output };
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	if (o->asking || o->ended || o->io->stopped || o->queue.len > IO_BUFFER)
		return;
	o->asking = true;
	o->io->refs++;
	request.container_id = o->io->container;
	request.exec_id = o->io->exec;
	request.len = IO_CHUNK;
	ttrpc_read_async(o->io->vm->client, "grpc.AgentService", o->method, &request, &reader, o);
}
