// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A client of QMP, QEMU's control protocol (docs/interop/qmp-spec in QEMU's source): JSON objects,
 * a line each, of at most 1 MiB. One client per QEMU, driven by the loop, with any number of
 * commands in flight.
 *
 *	struct qmp *q = qmp_new(loop, fd);
 *	qmp_execute(q, "qmp_capabilities", NULL, deadline, NULL, err)	// always first
 *	struct qmp_subscription gone = { .event = "DEVICE_DELETED", .fn = on_deleted };
 *	qmp_subscribe(q, &gone);
 *	if (qmp_execute(q, "device_del", arguments, deadline, NULL, err) < 0)
 *		...
 *	qmp_unsubscribe(q, &gone);
 *	qmp_free(q);
 *
 * Each command has an id, by which its answer is found: a late answer to a command that timed out
 * is dropped. When QEMU ends or violates the protocol, all commands fail.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"
#include "json/json.h"

enum { QMP_LINE_MAX = 1 << 20 };

struct qmp;

/* Returns a client on the connected socket, which it takes over. QEMU accepts other commands only
 * after qmp_capabilities. */
struct qmp *qmp_new(struct loop *loop, int fd);
/* Any thread: closes the connection and frees the client. No other thread may be in a call. NULL is
 * accepted. */
void qmp_free(struct qmp *q);

/*
 * Any thread but the loop's: executes a command and waits for its answer. It takes over arguments,
 * which may be NULL. *reply is what the command returned, for json_free(); reply may be NULL.
 * E_FAILED: QEMU refused the command; the message has QEMU's words. E_TIMEOUT: no answer by the
 * deadline; QEMU may still execute the command. E_GONE, E_PROTOCOL: the connection is broken.
 */
MUST_CHECK int qmp_execute(struct qmp *q, const char *command, struct json *arguments,
			   struct deadline deadline, struct json **reply, struct err *err);
/* Any thread, the loop's too: sends a command whose answer is dropped. Takes over arguments. */
void qmp_tell(struct qmp *q, const char *command, struct json *arguments);
/* Passes QEMU a duplicate of fd under a name ("getfd"), by which a later command can use it. */
MUST_CHECK int qmp_give_fd(struct qmp *q, int fd, const char *name, struct deadline deadline,
			   struct err *err);

/* Calls fn on the loop for each event of that name, or for every event if the name is NULL; data is
 * the event's, borrowed, or NULL. When the connection has ended fn is called once with event NULL.
 * The caller keeps the struct until qmp_unsubscribe() or qmp_free(). */
struct qmp_subscription {
	const char *event;
	void (*fn)(void *arg, const char *event, const struct json *data);
	void *arg;
	struct qmp_subscription *next; /* used by the client */
};
/* Any thread. After qmp_unsubscribe() has returned, fn is not called any more. */
void qmp_subscribe(struct qmp *q, struct qmp_subscription *s);
void qmp_unsubscribe(struct qmp *q, struct qmp_subscription *s);

/* Removes the first complete line from in: returns 1 and the object in *out, for json_free() (NULL
 * for an empty line); 0 if no line is complete yet; -1 if the line is not a JSON object or too
 * long. */
MUST_CHECK int qmp_next(struct buf *in, struct json **out, struct err *err);
