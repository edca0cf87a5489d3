// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Streams of a CRI server: PortForward, Exec and Attach answer with a URL, where their data is
 * exchanged over a WebSocket with the subprotocol v4.channel.k8s.io. Each message begins with the
 * number of its channel. SPDY, the alternative, is not supported.
 *
 *	cri_stream_open(url, deadline, &s, err)
 *	cri_stream_write(s, CRI_FORWARD_DATA, data, len, err)
 *	n = cri_stream_read(s, &channel, data, sizeof(data), deadline, err)
 *	cri_stream_free(s)
 *
 * One thread may write while another one reads.
 *
 * The protocol cannot close one direction alone: a program whose input comes from here sees its end
 * only when the whole stream is closed. PortForward has two channels for each port, data and errors;
 * the first message on each is the port, 2 bytes, little endian. Exec and Attach have the process's
 * input, output and error output, its result, and the size of its terminal.
 *
 * Formats: RFC 6455, and k8s.io/apimachinery's wsstream.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>
#include <sys/types.h>

enum { CRI_FORWARD_DATA = 0, CRI_FORWARD_ERROR = 1 };
enum { CRI_STDIN = 0, CRI_STDOUT = 1, CRI_STDERR = 2, CRI_RESULT = 3, CRI_RESIZE = 4 };

struct cri_stream;

/* Connects to a URL "http://HOST:PORT/PATH". If the server refuses, the message has the server's
 * answer. The caller frees *out with cri_stream_free(). */
MUST_CHECK int cri_stream_open(const char *url, struct deadline deadline, struct cri_stream **out,
			       struct err *err);
MUST_CHECK int cri_stream_write(struct cri_stream *s, unsigned channel, const void *data,
				size_t len, struct err *err);
/* Tells the terminal of a process its size; part of what one thread may do as the writer. */
MUST_CHECK int cri_stream_resize(struct cri_stream *s, unsigned columns, unsigned rows,
				 struct err *err);
/* Asks the server to close the stream, which cri_stream_read() then reports as its end. Nothing may
 * be written afterwards. */
MUST_CHECK int cri_stream_close(struct cri_stream *s, struct err *err);
/* Reads the next part of a message, at most max bytes, and sets *channel. Returns the number of
 * bytes, 0 if the server has closed the stream, -1 on error. */
ssize_t cri_stream_read(struct cri_stream *s, unsigned *channel, void *data, size_t max,
			struct deadline deadline, struct err *err);
/* Takes apart the message of CRI_RESULT: sets *code to the exit code of the process. E_FAILED, with
 * the server's text, if it could not be run. */
MUST_CHECK int cri_stream_result(const void *data, size_t len, int *code, struct err *err);
/* NULL is accepted. */
void cri_stream_free(struct cri_stream *s);
DEFINE_AUTO(cri_stream, struct cri_stream *, NULL, cri_stream_free)
