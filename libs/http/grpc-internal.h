// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Parses the answer of a gRPC server, without I/O: header and trailer lines, then the body.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { GRPC_HEAD = 5, GRPC_MESSAGE_MAX = 400 };

struct grpc_answer {
	long http;   /* status of the answer; 0: none yet */
	long status; /* grpc-status; -1: none yet */
	bool is_grpc;
	char message[GRPC_MESSAGE_MAX + 1];
};
#define GRPC_ANSWER_INIT      \
	{                     \
		.status = -1, \
	}

/* Takes one header or trailer line as received ("HTTP/2 200", "grpc-status: 0", a blank line).
 * Unknown lines are ignored. */
void grpc_answer_line(struct grpc_answer *a, const char *line, size_t len);
/* Makes the 5 bytes that precede a message of len bytes. */
void grpc_frame_head(size_t len, unsigned char head[GRPC_HEAD]);
/* Call this after the last line: checks the status. name is for messages. */
MUST_CHECK int grpc_answer_status(const struct grpc_answer *a, const char *name, struct err *err);
/* The length of the message that body begins with, once all of it is there: 1. 0: not yet. -1:
 * E_PROTOCOL if it is compressed. */
MUST_CHECK int grpc_answer_next(const struct buf *body, const char *name, size_t *len,
				struct err *err);
/* Call this after the last line: checks the status and finds the message in body; *message points
 * into it. name is for messages. */
MUST_CHECK int grpc_answer_end(const struct grpc_answer *a, const char *name,
			       const struct buf *body, const char **message, size_t *len,
			       struct err *err);
