// SPDX-License-Identifier: Apache-2.0
/*
 * Standard streams: reading and writing when the fd is ready. All on the loop.
 *
 * Terminal output arrives a line at a time, and each answer costs more than the line itself. So
 * after a short read the next one is delayed while output collects in the kernel (which buffers
 * about 12 KiB before the writer blocks); the delay grows as long as output continues. Output after
 * a pause or after input is sent at once, continuous output in larger pieces. While a read is
 * delayed, epoll must not hold the terminal: our guest kernel interrupts the writer for each line as
 * long as somebody waits (kernel/patches/0007).
 */

#include "agent/stream.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 1 << 20, PIPE_DEFAULT = 64 << 10, PIPE_GROWN = 1 << 20 };
enum { REST_MS = 4, REST_MAX_MS = 32, SHORT_PIECE = 4096 };

static bool is_terminal(const struct stream *s)
{
	return s->fd >= 0 && s->kind == STREAM_TERMINAL;
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
		s->watch = loop_watch(s->owner->loop, s->fd, events, on_ready, s);
}

static void on_rested(void *arg);

static void rest(struct stream *s)
{
	unsigned ms = s->read.rest_ms ? 2 * s->read.rest_ms : REST_MS;

	s->read.resting = true;
	s->read.rest_ms = ms < REST_MAX_MS ? ms : REST_MAX_MS;
	loop_delay(s->owner->loop, &s->read.timer, s->read.rest_ms, on_rested, s);
}

/* What follows input may be its answer. */
static void end_rest(struct stream *s)
{
	s->read.resting = false;
	s->read.rest_ms = 0;
}

/* --- the ends of requests --- */

static void fail_with(struct stream *s, void **slot, const struct err *err)
{
	void *call = STEAL(*slot, NULL);

	if (call)
		s->answers->fail(call, err);
}

static void fail(struct stream *s, void **slot, enum err_code code, const char *text)
{
	struct err err = ERR_INIT;

	err_set(&err, code, "%s", text);
	fail_with(s, slot, &err);
}

int stream_eof(struct err *err)
{
	return err_set(err, E_FAILED, "read meet eof");
}

static void report_eof(struct stream *s)
{
	struct err err = ERR_INIT;

	s->read.eof = true;
	(void)stream_eof(&err);
	fail_with(s, &s->read.call, &err);
}

static void end_input(struct stream *s)
{
	if (s->kind != STREAM_SOCKET) {
		stream_close(s);
		return;
	}
	s->write.last = false;
	s->write.closed = true;
	(void)shutdown(s->fd, SHUT_WR); /* the peer may be gone */
}

static void report_written(struct stream *s)
{
	s->answers->written(STEAL(s->write.call, NULL), s->write.total);
	if (s->write.last)
		end_input(s);
}

void stream_init(struct stream *s, const struct stream_owner *owner, int fd, enum stream_kind kind)
{
	*s = (struct stream){ .owner = owner, .fd = fd, .kind = kind };
}

void stream_close(struct stream *s)
{
	watch_remove(STEAL(s->watch, NULL));
	watch_remove(STEAL(s->read.timer, NULL));
	s->read.resting = false;
	if (is_terminal(s))
		s->fd = -1; /* the process's */
	fd_close(&s->fd);
	fail(s, &s->read.call, E_GONE, "the stream is closed");
	fail(s, &s->write.call, E_GONE, "the stream is closed");
}

/* --- reading and writing --- */

/* A pipe that was full is enlarged: its process writes a lot, and larger answers are fewer. */
static void grow_pipe(struct stream *s)
{
	if (s->read.grown || s->owner->fixed_size || s->kind != STREAM_PIPE)
		return;
	s->read.grown = true;
	(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_GROWN); /* on failure: unchanged */
}

static void read_failed(struct stream *s, int why)
{
	s->read.rest_ms = 0; /* a silence */
	if (why == EPIPE || why == ENOBUFS) {
		fail(s, &s->read.call, E_GONE, "the caller does not read its answers");
	} else if (why == EAGAIN || why == EINTR) {
		if (s->ended)
			report_eof(s); /* others may hold it open: that is the end too */
	} else if (s->kind == STREAM_SOCKET) {
		fail(s, &s->read.call, E_GONE, "the connection was reset");
	} else {
		report_eof(s); /* EIO: no process has the terminal open */
	}
}

static void try_read(struct stream *s)
{
	ssize_t n;

	if (!s->read.call || s->read.resting)
		return;
	n = s->answers->read(s->read.call, s->fd, s->read.want);
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
		else if (is_terminal(s) && !s->ended)
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
		if (n < 0 && errno == EAGAIN && !s->ended)
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
	s->owner->advanced(s->owner->arg);
}

static void on_rested(void *arg)
{
	struct stream *s = arg;

	s->read.resting = false;
	advance(s);
	s->owner->advanced(s->owner->arg);
}

void stream_process_exited(struct stream *s)
{
	if (is_terminal(s)) {
		s->ended = true;
		s->read.resting = false;
		advance(s);
	}
}

/* --- requests --- */

void stream_cancel_read(struct stream *s)
{
	fail(s, &s->read.call, E_CANCELLED, "the caller is gone");
	update_watch(s);
}

void stream_cancel_write(struct stream *s)
{
	fail(s, &s->write.call, E_CANCELLED, "the caller is gone");
	if (s->write.last)
		end_input(s);
	update_watch(s);
}

static int claim(struct stream *s, void **slot, const struct stream_answers *answers, void *call,
		 struct err *err)
{
	if (*slot)
		return err_set(err, E_STATE, "the stream already has a request");
	if (s->fd < 0)
		return err_set(err, E_STATE, "the stream is closed");
	*slot = call;
	s->answers = answers;
	return 0;
}

int stream_read(struct stream *s, uint32_t max, const struct stream_answers *answers, void *call,
		struct err *err)
{
	if (s->read.eof)
		return stream_eof(err);
	if (claim(s, &s->read.call, answers, call, err) < 0)
		return -1;
	s->read.want = max && max < READ_MAX ? max : READ_MAX;
	advance(s);
	return 0;
}

int stream_write(struct stream *s, const void *data, size_t len,
		 const struct stream_answers *answers, void *call, struct err *err)
{
	if (s->write.closed)
		return err_set(err, E_STATE, "the stream is closed");
	if (claim(s, &s->write.call, answers, call, err) < 0)
		return -1;
	s->write.data = data;
	s->write.left = s->write.total = len;
	end_rest(s);
	advance(s);
	return 0;
}

void stream_close_input(struct stream *s)
{
	if (s->write.call)
		s->write.last = true;
	else
		end_input(s);
}
