// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The standard streams of a process, and connections. A request to read or write is kept, one per
 * direction, until the fd is ready. All on the loop.
 *
 * A stream knows neither its process nor who asks: its owner says what all streams of a process
 * have in common, and with each request come the functions that answer it.
 */

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a request is answered. Of one that was accepted exactly one function ends it. */
struct stream_answers {
	/* Answers with what can be read from fd now, at most max bytes. 0 or -1 is the result of
	 * read(2), with its errno or EPIPE (the caller is gone) or ENOBUFS (it reads no answers);
	 * then the request is not answered yet. */
	ssize_t (*read)(void *call, int fd, size_t max);
	void (*written)(void *call, size_t n);
	void (*fail)(void *call, const struct err *err);
};

/* What the streams of a process have in common. */
struct stream_owner {
	struct loop *loop;
	bool fixed_size; /* pipes keep the size that was asked for */
	/* Called after each step that the loop made; it may free the stream. */
	void (*advanced)(void *arg);
	void *arg;
};

/* A pipe is either read or written; the others are both at the same time. */
enum stream_kind {
	STREAM_PIPE,
	STREAM_TERMINAL, /* the process's "out"; the fd is the process's */
	STREAM_SOCKET,   /* connected; its input ends with shutdown(2) */
};

/* An fd and its watch. */
struct stream {
	const struct stream_owner *owner;
	const struct stream_answers *answers; /* of the pending requests */
	int fd;                               /* -1: closed */
	enum stream_kind kind;
	bool ended; /* a terminal whose process has exited */
	struct watch *watch;
	struct {
		void *call;          /* or NULL */
		uint32_t want;       /* at most this many bytes */
		struct watch *timer; /* of a terminal: delays the next read, see stream.c */
		bool resting;        /* the timer is running */
		unsigned rest_ms;    /* the last delay, 0 after a pause in the output */
		bool eof;            /* all output was delivered and the end was reported */
		bool grown;          /* the pipe was enlarged */
	} read;
	struct {
		void *call;          /* or NULL */
		const uint8_t *data; /* the unwritten rest of the request */
		size_t left, total;
		bool last;   /* stream_close_input was called meanwhile */
		bool closed; /* of a socket: nothing more may be written */
	} write;
};

void stream_init(struct stream *s, const struct stream_owner *owner, int fd, enum stream_kind kind);
/* Answers the pending requests and closes the fd. */
void stream_close(struct stream *s);
/* Closes it, of a socket this direction, after accepted data was written. */
void stream_close_input(struct stream *s);
/* The process has exited: a terminal is now read without delay, to its end. Pipes report their end
 * themselves. */
void stream_process_exited(struct stream *s);

/* At most max bytes (0: as many as fit an answer). E_STATE: it is closed, or already has a request;
 * E_FAILED: its end was reported. It may be answered before this returns. */
MUST_CHECK int stream_read(struct stream *s, uint32_t max, const struct stream_answers *answers,
			   void *call, struct err *err);
/* data is used until the request is answered. */
MUST_CHECK int stream_write(struct stream *s, const void *data, size_t len,
			    const struct stream_answers *answers, void *call, struct err *err);
/* The caller is gone: its request fails. */
void stream_cancel_read(struct stream *s);
void stream_cancel_write(struct stream *s);

/* The error that upstream's runtime takes for the end of a stream. Returns -1. */
int stream_eof(struct err *err);
