// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The socket by which operators send requests to a sandbox's shim: HTTP/1.1 on a Unix socket, one
 * request per connection. It is in the sandbox's state directory, which only root can enter, under
 * upstream's name, MANAGE_SOCKET. The shim serves it:
 *
 *	static const struct manage_route routes[] = { { "GET", "/volumes", on_volumes }, { 0 } };
 *	struct manage *m = manage_new(loop, path, routes, arg, err);
 *	...
 *	manage_free(m);
 *
 * A handler is a flow: it runs on a thread of its own and may block. A request of more than 64 KiB,
 * or one that has not arrived after five seconds, is refused; a client that has not read its answer
 * after another five is disconnected. There is no keep-alive. Clients call manage_ask().
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"

#define MANAGE_SOCKET "shim-monitor.sock"

struct manage;

struct manage_request {
	const char *method, *path; /* path: without the query */
	const char *body;          /* or "" */
	char *query;               /* "a=b&c=d", as it was received, or "" */
};

struct manage_route {
	const char *method, *path;
	/* Appends the body of the answer, in JSON. An error becomes a status and a text. */
	int (*handle)(void *arg, const struct manage_request *r, struct buf *answer,
		      struct err *err);
};

/* Not on the loop: serves a new socket. routes, which must outlive the result, end with a method
 * NULL. NULL on failure. */
struct manage *manage_new(struct loop *loop, const char *socket, const struct manage_route *routes,
			  void *arg, struct err *err);
/* Not on the loop: stops serving, and waits for handlers that run. NULL is accepted. */
void manage_free(struct manage *m);

/* The value of a parameter in the query, with %XX and + decoded, heap. E_INVALID: it is missing or
 * malformed. */
char *manage_query(const struct manage_request *r, const char *name, struct err *err);

/* Parses the len bytes received so far, which a NUL follows. Returns 1 and *out, which points into
 * text, which it changes; 0 if the request is not complete; -1 if it is not valid. */
MUST_CHECK int manage_parse(char *text, size_t len, struct manage_request *out, struct err *err);

/* The client's side: sends a request, with a body unless it is NULL, and appends the body of the
 * answer. An error that the shim answers has its text and is E_NOT_FOUND or E_FAILED. E_GONE: the
 * shim closed the connection; E_TIMEOUT. */
MUST_CHECK int manage_ask(const char *socket, const char *method, const char *target,
			  const char *body, struct deadline deadline, struct buf *answer,
			  struct err *err);
