// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Queries a local daemon over its Unix socket (with libcurl): one request, one answer in memory.
 * Proxies, redirects and the environment are ignored.
 *
 *	AUTO(buf) struct buf body = BUF_INIT(1 << 20);
 *	if (http_local_get("/run/docker.sock", "/info", deadline_in(5000), &body, err) < 0)
 *		return -1;
 *
 * Errors: E_NOT_FOUND (no such socket), E_GONE (no process listens, or the connection was closed),
 * E_TIMEOUT, E_LIMIT (the answer is longer than body's limit; a socket's path is too long),
 * E_PERMISSION, E_PROTOCOL.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"

/* Appends the body of an answer with status 200 to body; another status is E_FAILED. */
MUST_CHECK int http_local_get(const char *socket, const char *path, struct deadline deadline,
			      struct buf *body, struct err *err);
