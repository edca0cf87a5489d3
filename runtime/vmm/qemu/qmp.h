// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * QMP, QEMU's control protocol (docs/interop/qmp-spec in QEMU's source): JSON objects, a line each,
 * at most 1 MiB long. One client per QEMU, driven by the loop, with any number of commands in
 * flight.
 *
 *	struct qmp *q = qmp_new(loop, fd);
 *	struct qmp_subscription gone = { .event = "DEVICE_DELETED", .fn = on_deleted, .arg = arg };
 *	qmp_subscribe(q, &gone);
 *	if (qmp_execute(q, "device_del", arguments, deadline, NULL, err) < 0)
 *		...
 *	qmp_unsubscribe(q, &gone);
 *	qmp_free(q);
 *
 * Commands are numbered, and an answer is matched by its number, so that a late answer to a command
 * that timed out is dropped. When QEMU ends, or violates the protocol, every command fails.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"
#include "json/json.h"

enum { QMP_LINE_MAX = 1 << 20 };

struct qmp;

/* Takes ownership of the connected socket. Commands wait until QEMU has greeted: the first one
 * should be qmp_capabilities, which ends the negotiation. */
struct qmp *qmp_new(struct loop *loop, int fd);
/* Any thread: fails what is pending, closes. No other thread may still be in a call. NULL is
 * accepted. */
void qmp_free(struct qmp *q);

/*
 * Any thread but the loop's: executes a command and waits for its answer. arguments (may be NULL)
 * are taken. *reply (may be NULL) gets what it returned, to be freed with json_free.
 * E_FAILED: QEMU refused it, with its words. E_TIMEOUT: no answer; it may still be executed.
 * E_GONE, E_PROTOCOL: the connection is broken.
 */
MUST_CHECK int qmp_execute(struct qmp *q, const char *command, struct json *arguments,
			   struct deadline deadline, struct json **reply, struct err *err);
/* Gives QEMU an open file under a name ("getfd"), to be named in a later command. fd stays the
 * caller's. */
MUST_CHECK int qmp_give_fd(struct qmp *q, int fd, const char *name, struct deadline deadline,
			   struct err *err);

/* Calls fn on the loop for each event of that name (NULL: for each event); data is the event's,
 * borrowed, or NULL. When the connection has ended, fn is called with event NULL. The struct is the caller's and must live until qmp_unsubscribe or qmp_free. */
struct qmp_subscription {
	const char *event;
	void (*fn)(void *arg, const char *event, const struct json *data);
	void *arg;
	struct qmp_subscription *next; /* of the client */
};
/* Any thread. When qmp_unsubscribe has returned, fn is not called any more. */
void qmp_subscribe(struct qmp *q, struct qmp_subscription *s);
void qmp_unsubscribe(struct qmp *q, struct qmp_subscription *s);

/* Removes the first complete line from in: returns 1 and *out (NULL for an empty line), 0 if there
 * is none yet, -1 if it is not a JSON object. No I/O. */
MUST_CHECK int qmp_next(struct buf *in, struct json **out, struct err *err);
