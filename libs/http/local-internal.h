// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * One exchange over a unix socket, for the two protocols that are spoken there.
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
	long status; /* out */
};

MUST_CHECK int local_exchange(struct local_exchange *x, struct err *err);
