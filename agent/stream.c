// SPDX-License-Identifier: Apache-2.0
/*
 * Standard streams as requests: a request is kept, one per direction, until the fd is ready. All on
 * the loop.
 *
 * Terminal output arrives a line at a time, and each answer costs more than the line itself. So
 * after a short read the next one is delayed while output collects in the kernel (which buffers
 * about 12 KiB before the writer blocks); the delay grows as long as output continues. Output after
 * a pause or after input is sent at once, continuous output in larger pieces. While a read is
 * delayed, epoll must not hold the terminal: our guest kernel interrupts the writer for each line as
 * long as somebody waits (kernel/patches/0007).
 */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20, PIPE_DEFAULT = 64 << 10, PIPE_GROWN = 1 << 20 };
enum { REST_MS = 4, REST_MAX_MS = 32, SHORT_PIECE = 4096 };

static bool is_terminal(const struct stream *s)
{
	return s->fd >= 0 && s->fd == s->process->core.console;
}

/* --- waiting --- */

static void on_ready(void *arg, uint32_t events);

/* Sets the watch to the events that the pending requests need. */
static void update_watch(struct stream *s)
{
	uint32_t events = (s->read.call && !s->read.resting ? EPOLLIN : 0) |
			  (s->write.call ? EPOLLOUT : 0);

	if (s->watch)
		watch_set(s->watch, events);
	else if (events && s->fd >= 0)
		s->watch = loop_watch(s->process->entry->sandbox->loop, s->fd, events, on_ready, s);
}

static void on_rested(void *arg);

static void rest(struct stream *s)
{
	unsigned ms = s->read.rest_ms ? 2 * s->read.rest_ms : REST_MS;

	s->read.resting = true;
	s->read.rest_ms = ms < REST_MAX_MS ? ms : REST_MAX_MS;
	if (s->read.timer)
		timer_set(s->read.timer, s->read.rest_ms, false);
	else
		s->read.timer = loop_timer(s->process->entry->sandbox->loop, s->read.rest_ms, false,
					   on_rested, s);
}

/* What follows input may be its answer. */
static void end_rest(struct stream *s)
{
	s->read.resting = false;
	s->read.rest_ms = 0;
}

/* --- the ends of requests --- */

static void fail(struct ttrpc_call **slot, enum err_code code, const char *text)
{
	struct ttrpc_call *call = STEAL(*slot, NULL);
	struct err err = ERR_INIT;

	err_set(&err, code, "%s", text);
	if (call)
		ttrpc_fail(call, &err);
}

/* Upstream's runtime checks for an error with this text. */
static void report_eof(struct stream *s)
{
	s->read.eof = true;
	fail(&s->read.call, E_FAILED, "read meet eof");
}

static void report_written(struct stream *s)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

	reply.len = (uint32_t)s->write.total;
	ttrpc_reply(STEAL(s->write.call, NULL), &reply);
	if (s->write.last)
		stream_close(s);
}

void stream_init(struct stream *s, struct process *p, int fd)
{
	*s = (struct stream){ .process = p, .fd = fd };
}

void stream_close(struct stream *s)
{
	watch_remove(STEAL(s->watch, NULL));
	watch_remove(STEAL(s->read.timer, NULL));
	s->read.resting = false;
	if (is_terminal(s))
		s->fd = -1; /* the process's */
	fd_close(&s->fd);
	fail(&s->read.call, E_GONE, "the stream is closed");
	fail(&s->write.call, E_GONE, "the stream is closed");
}

/* --- reading and writing --- */

/* A pipe that was full is enlarged: its process writes a lot, and larger answers are fewer. */
static void grow_pipe(struct stream *s)
{
	if (s->read.grown || s->process->entry->sandbox->settings->pipe_size)
		return;
	s->read.grown = true;
	(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_GROWN); /* on failure: unchanged */
}

static void read_failed(struct stream *s, int why)
{
	s->read.rest_ms = 0; /* a silence */
	if (why == EPIPE || why == ENOBUFS)
		fail(&s->read.call, E_GONE, "the caller does not read its answers");
	else if (why != EAGAIN && why != EINTR)
		report_eof(s); /* EIO: no process has the terminal open */
	else if (s->process->exited && is_terminal(s))
		report_eof(s); /* others may hold it open: that is the end too */
}

static void try_read(struct stream *s)
{
	ssize_t n;

	if (!s->read.call || s->read.resting)
		return;
	n = ttrpc_reply_read(s->read.call, s->fd, s->read.want);
	if (n < 0) {
		read_failed(s, errno);
	} else if (n == 0) {
		report_eof(s);
	} else {
		s->read.call = NULL;
		if (n >= PIPE_DEFAULT)
			grow_pipe(s);
		if (n >= SHORT_PIECE)
			s->read.rest_ms = 0;
		else if (is_terminal(s) && !s->process->exited)
			rest(s);
	}
}

/* Input that the process has closed is accepted and discarded: the writer on the host must not get
 * EPIPE. */
static void try_write(struct stream *s)
{
	while (s->write.call && s->write.left) {
		ssize_t n = write(s->fd, s->write.data, s->write.left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !(s->process->exited && is_terminal(s)))
			return;
		if (n < 0)
			break;
		s->write.data += n;
		s->write.left -= (size_t)n;
	}
	if (s->write.call)
		report_written(s);
}

static void advance(struct stream *s)
{
	try_write(s);
	try_read(s);
	update_watch(s);
}

static void on_ready(void *arg, uint32_t events)
{
	struct stream *s = arg;

	(void)events;
	advance(s);
	process_settle(s->process);
}

static void on_rested(void *arg)
{
	struct stream *s = arg;

	s->read.resting = false;
	advance(s);
	process_settle(s->process);
}

void stream_process_exited(struct process *p)
{
	/* Pipes report their end themselves. */
	if (is_terminal(&p->out)) {
		p->out.read.resting = false;
		advance(&p->out);
	}
}

/* --- requests --- */

static struct stream *input_of(struct process *p)
{
	return is_terminal(&p->out) ? &p->out : &p->in;
}

/* The caller's connection is gone: drop the request. */
static void on_read_cancel(void *arg)
{
	struct stream *s = arg;

	fail(&s->read.call, E_CANCELLED, "the caller is gone");
	update_watch(s);
}

static void on_write_cancel(void *arg)
{
	struct stream *s = arg;

	fail(&s->write.call, E_CANCELLED, "the caller is gone");
	if (s->write.last)
		stream_close(s);
	update_watch(s);
}

static int claim(struct stream *s, struct ttrpc_call **slot, struct ttrpc_call *call,
		 loop_fn cancel, struct err *err)
{
	if (*slot)
		return err_set(err, E_STATE, "the stream already has a request");
	if (s->fd < 0)
		return err_set(err, E_STATE, "the stream is closed");
	*slot = call;
	ttrpc_call_on_cancel(call, cancel, s);
	return 0;
}

static void read_stream(struct ttrpc_call *call, struct sandbox *sb,
			const Grpc__ReadStreamRequest *r, bool is_err)
{
	struct err err = ERR_INIT;
	struct process *p = process_find(sb, r->container_id, r->exec_id, &err);
	struct stream *s = !p ? NULL : is_err ? &p->err : &p->out;

	if (s && (s->read.eof || (is_err && p->core.console >= 0)))
		err_set(&err, E_FAILED, "read meet eof");
	if (!s || err.code || claim(s, &s->read.call, call, on_read_cancel, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	s->read.want = r->len && r->len < READ_MAX ? r->len : READ_MAX;
	advance(s);
	process_settle(p);
}

void on_read_stdout(struct ttrpc_call *call, const void *request, void *arg)
{
	read_stream(call, arg, request, false);
}

void on_read_stderr(struct ttrpc_call *call, const void *request, void *arg)
{
	read_stream(call, arg, request, true);
}

void on_write_stdin(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__WriteStreamRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);
	struct stream *s = p ? input_of(p) : NULL;

	if (!s || claim(s, &s->write.call, call, on_write_cancel, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	s->write.data = r->data.data;
	s->write.left = s->write.total = r->data.len;
	end_rest(s);
	advance(s);
	process_settle(p);
}

void on_close_stdin(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__CloseStdinRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	/* A terminal is not closed; a pipe is closed after accepted data was written. */
	if (p && p->in.write.call)
		p->in.write.last = true;
	else if (p && p->core.console < 0)
		stream_close(&p->in);
	answer(call, err.code ? -1 : 0, &err);
}

void on_tty_win_resize(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__TtyWinResizeRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	if (p)
		(void)!container_resize(&p->core, r->row, r->column, &err);
	answer(call, err.code ? -1 : 0, &err);
}
