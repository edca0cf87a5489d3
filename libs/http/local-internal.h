// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * One request and answer over a Unix socket, for HTTP/1.1 and gRPC.
 */

#include "http/local.h"

#include <stdbool.h>

struct local_exchange {
	const char *socket, *path;
	struct deadline deadline;
	/* HTTP/2 without negotiation, POST of these bytes; otherwise GET in HTTP/1.1. */
	bool http2;
	const void *request;
	size_t len;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	/* Each header and trailer line of the answer; may be NULL. */
	void (*on_header)(void *arg, const char *line, size_t len);
	void *arg;
	struct buf *body;
	/* Called after bytes were added to body, from which it may take some; false ends the exchange
	 * with success. May be NULL. */
	bool (*on_body)(void *arg, struct buf *body);
	/* out */
	long status;
	bool unsent;  /* not all of the request was sent */
	bool stopped; /* by on_body */
};

/* Errors as in local.h. An answer with any status is a success. */
MUST_CHECK int local_exchange(struct local_exchange *x, struct err *err);
