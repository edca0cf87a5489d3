// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The sandbox's own socket, by which an operator asks its shim: HTTP/1.1 on a Unix socket, one
 * request on a connection. It lies in the sandbox's state directory, which only root can enter, under
 * upstream's name, MANAGE_SOCKET.
 *
 *	static const struct manage_route routes[] = { { "GET", "/volumes", on_volumes }, { 0 } };
 *	struct manage *m = manage_new(loop, path, routes, arg, err);
 *	...
 *	manage_free(m);
 *
 * A handler is a flow: it runs on a thread of its own and may block. manage_free waits for those that
 * run. A request of more than 64 KiB, or one that
 * pauses for more than five seconds, is refused. There is no keep-alive.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"

#define MANAGE_SOCKET "shim-monitor.sock"

struct manage;

struct manage_request {
	const char *method, *path; /* without the query */
	const char *body;          /* "" if there is none */
	char *query;               /* "a=b&c=d" as it came, or "" */
};

struct manage_route {
	const char *method, *path;
	/* Appends the body of the answer, JSON. An error becomes a status and a text. */
	int (*handle)(void *arg, const struct manage_request *r, struct buf *answer,
		      struct err *err);
};

/* routes end with a method NULL. From a flow. */
struct manage *manage_new(struct loop *loop, const char *socket, const struct manage_route *routes,
			  void *arg, struct err *err);
/* Not on the loop. NULL is accepted. */
void manage_free(struct manage *m);

/* The value of name in the query, with its %XX resolved, heap. E_INVALID: it is not there, or damaged. */
char *manage_query(const struct manage_request *r, const char *name, struct err *err);

/* Parses what was received so far: 1 and *out, which points into text; 0: incomplete; -1. text has
 * been received in full up to its NUL, and is changed. */
MUST_CHECK int manage_parse(char *text, size_t len, struct manage_request *out, struct err *err);

/* The other side: asks, and appends the body of the answer. body NULL: none. An error that the shim
 * answered is E_FAILED, with its words. */
MUST_CHECK int manage_ask(const char *socket, const char *method, const char *target,
			  const char *body, struct deadline deadline, struct buf *answer,
			  struct err *err);
