// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Streams that a manager serves: PortForward, Exec and Attach answer with a URL, where their bytes are
 * exchanged over a WebSocket with the subprotocol v4.channel.k8s.io: each message begins with the
 * number of its channel. (The other way, SPDY, is not supported.)
 *
 *	cri_stream_open(url, deadline, &s, err)
 *	cri_stream_write(s, CRI_FORWARD_DATA, data, len, err)	// one thread
 *	n = cri_stream_read(s, &channel, data, sizeof(data), deadline, err)	// another, or the same
 *	cri_stream_free(s)
 *
 * A direction cannot be ended alone: the protocol has no means for it. Channels of PortForward, per port:
 * data, then errors; on each the port comes first, 2 bytes, little endian. Of Exec and Attach: input,
 * output, errors of the process, the result.
 *
 * Formats: RFC 6455, and k8s.io/apimachinery's wsstream.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>
#include <sys/types.h>

enum { CRI_FORWARD_DATA = 0, CRI_FORWARD_ERROR = 1 };
enum { CRI_STDIN = 0, CRI_STDOUT = 1, CRI_STDERR = 2, CRI_RESULT = 3 };

struct cri_stream;

/* http only, to an address or a name. The answer's text is in the error. */
MUST_CHECK int cri_stream_open(const char *url, struct deadline deadline, struct cri_stream **out,
			       struct err *err);
MUST_CHECK int cri_stream_write(struct cri_stream *s, unsigned channel, const void *data,
				size_t len, struct err *err);
/* The next piece of a message, at most max bytes, and its channel. 0: the manager has closed it. */
ssize_t cri_stream_read(struct cri_stream *s, unsigned *channel, void *data, size_t max,
			struct deadline deadline, struct err *err);
/* NULL is accepted. */
void cri_stream_free(struct cri_stream *s);
DEFINE_AUTO(cri_stream, struct cri_stream *, NULL, cri_stream_free)
