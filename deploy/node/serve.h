// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Answers a kubelet's probes and a scraper over HTTP/1.1, on a loop: GET of a path, one request per
 * connection, no request body. At most SERVE_MAX connections, each for SERVE_MS; more wait.
 *
 *	struct serve *s = serve_new(loop, fd, answer, arg);
 *
 * answer() is asked for each path: it returns the status code and appends the body, plain text.
 * Anybody who reaches the port may ask; nothing can be changed.
 */

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdint.h>

enum { SERVE_MAX = 8, SERVE_MS = 5000, SERVE_REQUEST_MAX = 4096, SERVE_BODY_MAX = 32 << 10 };

struct serve;
typedef int serve_answer(void *arg, const char *path, struct buf *body);

/* A socket that listens at that port of all addresses, IPv6's too where the node has it. */
MUST_CHECK int serve_listen(uint16_t port, struct err *err);
/* Owns the socket. */
struct serve *serve_new(struct loop *loop, int fd, serve_answer *answer, void *arg);
void serve_free(struct serve *s); /* NULL is accepted */

/* "GET /metrics HTTP/1.1" of a request's head: its path, heap, without a query. NULL: another method
 * or none at all, and *code is what to answer. */
char *serve_path(const char *head, size_t len, int *code);
