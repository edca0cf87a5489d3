// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A minimal HTTP/1.1 server on a loop, for a kubelet's probes and a scraper of metrics: GET only,
 * one request for each connection, no request body. It serves at most SERVE_MAX connections at a
 * time, each for at most SERVE_MS. Another one takes the place of the oldest: any pod can connect,
 * and those that send nothing must not keep a kubelet waiting, which would restart the container.
 *
 *	struct serve *s = serve_new(loop, fd, answer, arg);
 *
 * answer() is called for each request: it returns the status code and appends the body, plain text.
 * There is no access control, so answer() must not change anything.
 */

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdint.h>

enum { SERVE_MAX = 8, SERVE_MS = 5000, SERVE_REQUEST_MAX = 4096, SERVE_BODY_MAX = 32 << 10 };

struct serve;
typedef int serve_answer(void *arg, const char *path, struct buf *body);

/* Returns a socket that listens at a port of all addresses, IPv6 included where the node has it. */
MUST_CHECK int serve_listen(uint16_t port, struct err *err);
/* Takes over the socket. Free with serve_free(). */
struct serve *serve_new(struct loop *loop, int fd, serve_answer *answer, void *arg);
void serve_free(struct serve *s); /* NULL is accepted */

/* Returns the path of a request's head ("GET /metrics HTTP/1.1..."), heap, without the query. NULL:
 * it is not a GET or is malformed; *code is then the status to answer with. */
char *serve_path(const char *head, size_t len, int *code);
