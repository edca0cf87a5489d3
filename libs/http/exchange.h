// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Exchanges with one server over HTTP/1.1 and HTTPS (with libcurl): any method, headers, a body.
 * The body of the answer is collected, or passed to a callback while it arrives. This is for APIs;
 * http.h downloads files.
 *
 *	AUTO(http_client) struct http_client *c = http_client_new();
 *	struct http_trust trust = { .ca_pem = pem };
 *	AUTO(buf) struct buf body = BUF_INIT(1 << 20);
 *	struct http_exchange x = {
 *		.method = "PATCH", .url = url, .headers = headers, .request = text, .len = n,
 *		.deadline = deadline_in(10000), .body = &body,
 *	};
 *	if (http_exchange(c, &trust, &x, err) < 0)
 *		return -1;
 *	if (x.status == 200) ...
 *
 * An answer with any status is a success. One exchange is one try: nothing is repeated, redirects
 * are not followed, and the answer is not decompressed. Proxies of the environment and certificates
 * of the system are ignored: a server must be certified by trust->ca_pem. Connections are kept for
 * the next exchange; TCP keep-alive detects that a silent peer has disappeared.
 *
 * Threads: one thread at a time may use a client; different clients are independent. libcurl
 * creates threads (name service), so a program must not fork without exec after the first exchange.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_EXCHANGE_HEAD_MAX = 64 << 10, /* headers of an answer */
	HTTP_EXCHANGE_CONNECT = 10,        /* seconds to connect */
};

/* Borrowed PEM text. */
struct http_trust {
	const char *ca_pem;             /* the authorities; required for https */
	const char *cert_pem, *key_pem; /* the client's; NULL: none */
	const char *proxy;              /* a URL; NULL: none */
};

struct http_exchange {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const void *request;        /* NULL: no body */
	size_t len;
	struct deadline deadline; /* for the whole exchange */
	unsigned stall;           /* E_TIMEOUT after so many seconds without a byte; 0: no limit */
	/* An fd that cancels the exchange when it is readable (E_CANCELLED); -1 or 0: none. Caught
	 * signals cancel it too (interrupt.h). */
	int cancel;
	/* The body of the answer is appended to it, within its limit. */
	struct buf *body;
	/* If not NULL, called with each part of the body of a 2xx answer as it arrives, instead of
	 * filling body. Returning -1 ends the exchange with that error. */
	int (*take)(void *arg, const char *data, size_t len, struct err *err);
	void *arg;
	/* out */
	long status;          /* 0: no answer */
	unsigned retry_after; /* seconds, of the header Retry-After; 0: none */
	bool reached; /* a connection was made: the server may have received the request even
	                       * if the exchange failed */
};

struct http_client;

struct http_client *http_client_new(void);
/* Closes its connections. */
void http_client_free(struct http_client *c);
DEFINE_AUTO(http_client, struct http_client *, NULL, http_client_free)

/* Sends the request and waits for the end of the answer. E_GONE (no connection, or it was closed
 * before the end of the answer), E_TIMEOUT, E_CANCELLED, E_LIMIT (body or headers are too long),
 * E_TRUST (TLS), E_PROTOCOL, E_USAGE (the URL or trust cannot be used), and the errors of take. */
MUST_CHECK int http_exchange(struct http_client *c, const struct http_trust *trust,
			     struct http_exchange *x, struct err *err);
