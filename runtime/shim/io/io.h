// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Standard streams of a process between the manager's pipes and the agent, all on the loop: output
 * is requested from the agent while there is room for it; input is read after the agent has
 * accepted the previous piece. FIFOs are held open at both ends, so that a restart of the manager
 * does not end a stream.
 *
 *	struct io_request r = { .loop = loop, .vm = vm, .container = id, .exec = exec_id, ... };
 *	io_open(&r, &io, err)		// flow
 *	io_start(io)			// loop, once the process runs
 *	io_settle(io, done, arg)	// loop, once it has ended
 *	io_finish(io, deadline)		// flow
 */

#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"
#include "sandbox/vm.h"

#include <stdbool.h>

struct io;

struct io_request {
	struct loop *loop;
	struct vm *vm; /* its client must be connected while the streams run */
	const char *namespace, *container, *exec;
	const char *in, *out, *err; /* URIs (fifo, file, binary, binary-v2), or NULL */
	bool terminal;
};

/* Opens the URIs. Blocking; no data is transferred until io_start. Strings are copied. */
MUST_CHECK int io_open(const struct io_request *r, struct io **out, struct err *err);
/* Loop: calls done once, when the readers have read the output of an ended process, or at once if
 * there is none: managers may close their ends as soon as the exit is reported. If another process
 * holds the output open, it is complete when nothing has arrived for 50 ms and then the agent has
 * answered one more request, which it does in order. A reader that does not read, or an agent that
 * does not answer, delays it by five seconds at most. io may be NULL. */
void io_settle(struct io *io, loop_fn done, void *arg);
void io_start(struct io *io);       /* loop */
void io_close_stdin(struct io *io); /* loop: delivers what was written, then end of file */
/* Loop: the agent is gone; output already received is still delivered. NULL is accepted. */
void io_detach(struct io *io);
/* Waits until all output was delivered or the deadline passes, then frees io. False if the output
 * has not ended: other processes may still write to it. Not on the loop; NULL is accepted. */
bool io_finish(struct io *io, struct deadline deadline);
