// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * QMP, QEMU's control protocol: JSON objects, a line each. Replies are matched by id; events that
 * come in between are logged at debug level. A line is at most 1 MiB.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "json/json.h"

enum { QMP_LINE_MAX = 1 << 20 };

/* Removes the first complete line from in: returns 1 and *out (NULL for an empty line), 0 if there
 * is none yet, -1 if it is not a JSON object. No I/O. */
MUST_CHECK int qmp_next(struct buf *in, struct json **out, struct err *err);

/* Reads the greeting and leaves the negotiation mode. */
MUST_CHECK int qmp_open(int fd, struct deadline deadline, struct err *err);
/* Executes a command without arguments. */
MUST_CHECK int qmp_execute(int fd, const char *command, struct deadline deadline, struct err *err);
