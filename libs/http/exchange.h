// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Exchanges with one server over HTTP/1.1 and HTTPS (with libcurl): any method, headers, a body;
 * the body of the answer is collected, or handed over while it arrives. For interfaces of programs;
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
 * are not followed, the answer is not decompressed, and neither the environment (proxies) nor the
 * system's certificates count: a server is trusted for trust->ca_pem only. Connections are kept for
 * the next exchange and probed while they are silent (TCP keep-alive), so that a peer that is gone is
 * noticed.
 *
 * Threads: a client serves one at a time; different clients are independent. It creates threads
 * (name service), so a program that forks without exec must not do that in between.
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
	const char *cert_pem, *key_pem; /* ours; NULL: none */
	const char *proxy;              /* a URL; NULL: none */
};

struct http_exchange {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const void *request;        /* NULL: no body */
	size_t len;
	struct deadline deadline; /* for all of it */
	unsigned stall;           /* seconds without a byte after which it ends; 0: no limit */
	int cancel; /* an fd; readable: E_CANCELLED. -1 (or 0): none. Signals cancel too
	                           * (interrupt.h) */
	/* The body of the answer; with take only of one whose status is not 2xx. */
	struct buf *body;
	/* Called with each part of the body of a 2xx answer as it arrives. -1 ends the exchange with
	 * that error. NULL: it is collected. */
	int (*take)(void *arg, const char *data, size_t len, struct err *err);
	void *arg;
	/* out */
	long status;
	unsigned retry_after; /* seconds, of the header of that name; 0: there was none */
	bool reached;         /* a connection was made: the server may have seen the request, also
	                       * if the exchange failed */
};

struct http_client;

struct http_client *http_client_new(void);
/* Closes its connections. */
void http_client_free(struct http_client *c);
DEFINE_AUTO(http_client, struct http_client *, NULL, http_client_free)

/* E_GONE (no connection, or it was closed before the end of the answer), E_TIMEOUT, E_CANCELLED,
 * E_LIMIT (body or headers are longer than they may be), E_TRUST (TLS), E_PROTOCOL, E_USAGE (URL or
 * trust cannot be used), and those of take. */
MUST_CHECK int http_exchange(struct http_client *c, const struct http_trust *trust,
			     struct http_exchange *x, struct err *err);
