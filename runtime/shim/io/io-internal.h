// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the files of shim/io. Each knows those before it in this header. */

#include "base/buf.h"
#include "base/spawn.h"
#include "sandbox/piece.h"
#include "shim/io/io.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum {
	IO_CHUNK = 1 << 20,                      /* a piece of output */
	IO_BUFFER = 1 << 20,                     /* no request while more than this is queued */
	IO_QUEUE_MAX = IO_BUFFER + 2 * IO_CHUNK, /* plus the answers of earlier requests */
};

struct output {
	struct io *io;
	const char *method;
	int fd; /* -1: read and thrown away */
	bool pollable, grown;
	bool fifo; /* open for reading too */
	struct watch *watch;
	struct watch *awaiting; /* a FIFO that is complete, and that nobody has opened yet */
	struct deadline until;
	struct buf queue; /* output not yet read by the manager */
	bool asking, ended;
	bool postponed;      /* the request, until again */
	struct watch *again; /* timer: until the agent may have room for the request, or NULL */
	bool arriving; /* an answer has begun to arrive; the next was requested if there was room */
};

struct input {
	struct io *io;
	int fd, hold; /* hold: our own writer of the FIFO, so that it does not end before CloseIO */
	bool close_asked; /* loop: CloseIO came before the start */
	struct watch *watch;
	uint8_t *data;
	struct piece piece;  /* that the agent is taking */
	struct watch *again; /* timer: until the agent may have room for more of it, or NULL */
	bool closed;         /* CloseStdin was sent to the agent */
	bool discard;        /* the process has closed its input, the manager still writes */
};

struct io {
	struct loop *loop;
	struct vm *vm;
	char *namespace, *container, *exec;
	bool terminal;
	unsigned refs; /* loop: one for each pending request, one for the owner */
	struct output out, err;
	struct input in;
	struct child logger;
	bool stopped;         /* loop */
	bool detached;        /* loop: the agent is gone */
	size_t moved;         /* loop: number of answers, for io_settle */
	pthread_mutex_t lock; /* guards done */
	pthread_cond_t changed;
	bool done; /* both outputs are delivered */
};

/* open.c: opens what the request names. */
MUST_CHECK int io_open_streams(struct io *io, const struct io_request *r, struct err *err);

/* output.c, all on the loop */
void io_unref(struct io *io);
void io_check_done(struct io *io);   /* tells io_finish when both outputs are delivered */
void output_ask(struct output *o);   /* requests the next piece, if there is room */
void output_flush(struct output *o); /* writes what is queued, as far as the manager accepts it */
void output_finish(struct output *o);
void output_stop(struct output *o); /* finishes it, and asks for no more */
/* Closes our own reading end: from here on, writing to a FIFO without a reader fails instead of waiting. */
void output_give_up_reading(struct output *o);

/* input.c, all on the loop */
void input_start(struct input *in);
void input_close(struct input *in);
