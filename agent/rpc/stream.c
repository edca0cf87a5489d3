// SPDX-License-Identifier: Apache-2.0
/* Requests about standard streams, which are kept until a stream is ready. All on the loop. */

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

/* The caller's connection is gone: drop the request. */
static void on_read_cancel(void *arg)
{
	stream_cancel_read(arg);
}

static void on_write_cancel(void *arg)
{
	stream_cancel_write(arg);
}

static void read_stream(struct ttrpc_call *call, struct sandbox *sb,
			const Grpc__ReadStreamRequest *r, bool is_err)
{
	struct err err = ERR_INIT;
	struct process *p = process_find(&sb->containers, r->container_id, r->exec_id, &err);
	struct stream *s = p ? process_output(p, is_err, &err) : NULL;

	/* Before it is accepted, since it may be answered at once; one that is refused is answered
	 * here, so that the caller's end is no event any more. */
	if (s)
		ttrpc_call_on_cancel(call, on_read_cancel, s);
	if (s && stream_read(s, r->len, &answers, call, &err) == 0)
		process_settle(p);
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
	struct process *p = process_find(&sb->containers, r->container_id, r->exec_id, &err);
	struct stream *s = p ? process_input(p) : NULL;

	if (s)
		ttrpc_call_on_cancel(call, on_write_cancel, s);
	if (s && stream_write(s, r->data.data, r->data.len, &answers, call, &err) == 0)
		process_settle(p);
	else
		ttrpc_fail(call, &err);
}

void on_close_stdin(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__CloseStdinRequest *r = request;
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;
	struct process *p = process_find(&sb->containers, r->container_id, r->exec_id, &err);

	if (p)
		process_close_input(p);
	answer(call, err.code ? -1 : 0, &err);
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
