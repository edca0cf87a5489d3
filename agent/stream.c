// SPDX-License-Identifier: Apache-2.0
/*
 * Standard streams as requests: each keeps one request until its fd has or takes data. All on the
 * loop.
 */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20, PIPE_DEFAULT = 64 << 10, PIPE_GROWN = 1 << 20 };

static void on_ready(void *arg, uint32_t events);

static void arm(struct stream *s, uint32_t events)
{
	if (!s->watch && s->fd >= 0)
		s->watch = loop_watch(s->process->entry->sandbox->loop, s->fd, events, on_ready, s);
	else if (s->watch)
		watch_set(s->watch, events);
}

static void disarm(struct stream *s)
{
	watch_remove(s->watch);
	s->watch = NULL;
}

void stream_init(struct stream *s, struct process *p, int fd)
{
	*s = (struct stream){ .process = p, .fd = fd };
}

static void fail(struct stream *s, enum err_code code, const char *text)
{
	struct err err = ERR_INIT;
	struct ttrpc_call *call = STEAL(s->pending, NULL);

	disarm(s);
	err_set(&err, code, "%s", text);
	if (call)
		ttrpc_fail(call, &err);
}

/* What upstream's runtime looks for: an error with this text. */
static void report_eof(struct stream *s)
{
	s->eof = true;
	fail(s, E_FAILED, "read meet eof");
}

void stream_close(struct stream *s)
{
	disarm(s);
	/* The terminal's master belongs to the process: three streams share it. */
	if (s->fd != s->process->core.console)
		fd_close(&s->fd);
	s->fd = -1;
	fail(s, E_GONE, "the stream is closed");
}

/* A pipe that is found full belongs to a process that writes a lot: fewer, larger answers. */
static void grow_pipe(struct stream *s)
{
	if (s->grown || s->process->entry->sandbox->settings->pipe_size)
		return;
	s->grown = true;
	(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_GROWN); /* no pipe, or no memory: it stays as it is */
}

static void try_read(struct stream *s)
{
	ssize_t n = ttrpc_reply_read(s->pending, s->fd, s->want);

	if (n > 0) {
		s->pending = NULL;
		disarm(s);
		if (n >= PIPE_DEFAULT)
			grow_pipe(s);
	} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		/* A terminal whose process is gone may be held open by others: that is the end too.
		 */
		if (s->process->exited && s->fd == s->process->core.console)
			report_eof(s);
		else
			arm(s, EPOLLIN);
	} else if (n < 0 && (errno == EPIPE || errno == ENOBUFS)) {
		fail(s, E_GONE, "the caller does not take what it asked for");
	} else {
		report_eof(s); /* 0, or EIO of a terminal that nobody has open */
	}
	if (s->eof)
		process_maybe_done(s->process);
}

static void try_write(struct stream *s)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

	while (s->left) {
		ssize_t n = write(s->fd, s->data, s->left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			arm(s, EPOLLOUT);
			return;
		}
		if (n < 0) {
			fail(s, E_GONE, "nobody reads the process's standard input");
			return;
		}
		s->data += n;
		s->left -= (size_t)n;
	}
	disarm(s);
	reply.len = (uint32_t)s->total;
	ttrpc_reply(STEAL(s->pending, NULL), &reply);
}

static void on_ready(void *arg, uint32_t events)
{
	struct stream *s = arg;

	(void)events;
	if (!s->pending)
		disarm(s);
	else if (s == &s->process->in)
		try_write(s);
	else
		try_read(s);
}

void stream_process_exited(struct process *p)
{
	/* Readers of a terminal learn of the end now; pipes tell by themselves. */
	if (p->core.console >= 0 && p->out.pending)
		try_read(&p->out);
}

/* The caller's connection is gone: nobody waits for this answer. */
static void on_cancel(void *arg)
{
	fail(arg, E_CANCELLED, "the caller is gone");
}

static bool claim(struct stream *s, struct ttrpc_call *call, struct err *err)
{
	if (s->pending)
		err_set(err, E_STATE, "the stream already has a request");
	else if (s->fd < 0)
		err_set(err, E_STATE, "the stream is closed");
	if (err->code)
		return false;
	s->pending = call;
	ttrpc_call_on_cancel(call, on_cancel, s);
	return true;
}

static void read_stream(struct ttrpc_call *call, struct sandbox *sb,
			const Grpc__ReadStreamRequest *r, bool is_err)
{
	struct err err = ERR_INIT;
	struct process *p = process_find(sb, r->container_id, r->exec_id, &err);
	struct stream *s = !p ? NULL : is_err ? &p->err : &p->out;

	if (s && (s->eof || (is_err && p->core.console >= 0)))
		err_set(&err, E_FAILED, "read meet eof");
	if (err.code || !claim(s, call, &err)) {
		ttrpc_fail(call, &err);
		return;
	}
	s->want = r->len && r->len < READ_MAX ? r->len : READ_MAX;
	try_read(s);
}

HANDLER(read_stdout)
{
	read_stream(call, arg, request, false);
}

HANDLER(read_stderr)
{
	read_stream(call, arg, request, true);
}

HANDLER(write_stdin)
{
	const Grpc__WriteStreamRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	if (err.code || !claim(&p->in, call, &err)) {
		ttrpc_fail(call, &err);
		return;
	}
	p->in.data = r->data.data;
	p->in.left = p->in.total = r->data.len;
	try_write(&p->in);
}

HANDLER(close_stdin)
{
	const Grpc__CloseStdinRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	if (p && p->core.console < 0)
		stream_close(&p->in);
	answer(call, err.code ? -1 : 0, &err);
}

HANDLER(tty_win_resize)
{
	const Grpc__TtyWinResizeRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);

	if (p)
		(void)!container_resize(&p->core, r->row, r->column, &err);
	answer(call, err.code ? -1 : 0, &err);
}
