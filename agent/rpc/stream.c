// SPDX-License-Identifier: Apache-2.0
/*
 * Requests about streams: the standard streams of a process or, if the request names no container,
 * a connection. They are kept until the stream is ready. All on the loop.
 */

#include "agent/rpc/rpc.h"

#include "agent/sandbox.h"
#include "protocols/agent.pb-c.h"

/* --- answers --- */

static ssize_t answer_read(void *call, int fd, size_t max)
{
	return ttrpc_reply_read(call, fd, max);
}

static void answer_written(void *call, size_t n)
{
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

	reply.len = (uint32_t)n;
	ttrpc_reply(call, &reply);
}

static void answer_failed(void *call, const struct err *err)
{
	ttrpc_fail(call, err);
}

static const struct stream_answers answers = { answer_read, answer_written, answer_failed };

/* --- requests --- */

/* The caller has disconnected. */
static void on_read_cancel(void *arg)
{
	stream_cancel_read(arg);
}

static void on_write_cancel(void *arg)
{
	stream_cancel_write(arg);
}

/* The stream that a request names. */
struct target {
	struct process *process; /* or NULL: a connection */
	struct stream *stream;
};

static bool is_connection(const char *container)
{
	return !*container;
}

static int find_output(struct sandbox *sb, const Grpc__ReadStreamRequest *r, bool is_err,
		       struct target *out, struct err *err)
{
	*out = (struct target){ NULL, NULL };
	if (!is_connection(r->container_id)) {
		out->process = process_find(&sb->containers, r->container_id, r->exec_id, err);
		out->stream = out->process ? process_output(out->process, is_err, err) : NULL;
	} else if (is_err) {
		return stream_eof(err); /* a connection has no error output */
	} else {
		out->stream = connection_stream(&sb->connections, r->exec_id, err);
	}
	return out->stream ? 0 : -1;
}

static int find_input(struct sandbox *sb, const Grpc__WriteStreamRequest *r, struct target *out,
		      struct err *err)
{
	*out = (struct target){ NULL, NULL };
	if (!is_connection(r->container_id)) {
		out->process = process_find(&sb->containers, r->container_id, r->exec_id, err);
		out->stream = out->process ? process_input(out->process) : NULL;
	} else {
		out->stream = connection_stream(&sb->connections, r->exec_id, err);
	}
	return out->stream ? 0 : -1;
}

static void settle(const struct target *t)
{
	if (t->process)
		process_settle(t->process);
}

static void read_stream(struct ttrpc_call *call, struct sandbox *sb,
			const Grpc__ReadStreamRequest *r, bool is_err)
{
	struct err err = ERR_INIT;
	struct target t;

	/* Before stream_read(), which may answer the call at once. If the call is refused,
	 * answering it below also removes the handler. */
	if (find_output(sb, r, is_err, &t, &err) == 0)
		ttrpc_call_on_cancel(call, on_read_cancel, t.stream);
	if (!err.code && stream_read(t.stream, r->len, &answers, call, &err) == 0)
		settle(&t);
	else
		ttrpc_fail(call, &err);
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
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;
	struct target t;

	if (find_input(sb, r, &t, &err) == 0)
		ttrpc_call_on_cancel(call, on_write_cancel, t.stream);
	if (!err.code &&
	    stream_write(t.stream, r->data.data, r->data.len, &answers, call, &err) == 0)
		settle(&t);
	else
		ttrpc_fail(call, &err);
}

static int close_input(struct sandbox *sb, const Grpc__CloseStdinRequest *r, struct err *err)
{
	struct stream *s;
	struct process *p;

	if (is_connection(r->container_id)) {
		s = connection_stream(&sb->connections, r->exec_id, err);
		if (s)
			stream_close_input(s);
	} else {
		p = process_find(&sb->containers, r->container_id, r->exec_id, err);
		if (p)
			process_close_input(p);
	}
	return err->code ? -1 : 0;
}

void on_close_stdin(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	answer(call, close_input(arg, request, &err), &err);
}

void on_tty_win_resize(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__TtyWinResizeRequest *r = request;
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;
	struct process *p = process_find(&sb->containers, r->container_id, r->exec_id, &err);

	if (p)
		(void)!container_resize(&p->core, r->row, r->column, &err);
	answer(call, err.code ? -1 : 0, &err);
}
