// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * gRPC calls over a unix socket, with libcurl's HTTP/2: one request, with one answer or many.
 *
 *	AUTO(buf) struct buf answer = BUF_INIT(1 << 20);
 *	if (grpc_call("/run/containerd/containerd.sock", "/runtime.v1.RuntimeService/Version",
 *		      request, len, deadline_in(5000), &answer, err) < 0)
 *		return -1;
 *
 * request and answer are packed protobuf messages without gRPC's frame. Messages are not
 * compressed; compressed answers are rejected. The server's status becomes the nearest error code,
 * with the server's text; errors of the transport are those of local.h. A method that the server
 * lacks is E_UNSUPPORTED, rarely E_PROTOCOL: such a server resets the stream, and libcurl may see
 * that before the status.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends the answer to answer; E_LIMIT if it does not fit. */
MUST_CHECK int grpc_call(const char *socket, const char *method, const void *request, size_t len,
			 struct deadline deadline, struct buf *answer, struct err *err);
/* Calls each() with every message of the answer, as it arrives, until the server ends the answer or
 * each() returns false. A message of more than max bytes is E_LIMIT; the deadline is that of the whole
 * answer. */
MUST_CHECK int grpc_stream(const char *socket, const char *method, const void *request, size_t len,
			   struct deadline deadline, size_t max,
			   bool (*each)(void *arg, const void *message, size_t len), void *arg,
			   struct err *err);
