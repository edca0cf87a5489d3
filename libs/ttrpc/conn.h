// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * One ttRPC connection: received frames are passed to a callback on the loop, frames are sent from
 * any thread. Shared by client and server; internal to libs/ttrpc.
 *
 * Reference counted: the owner holds one reference from conn_new, posts and calls hold others. The
 * fd belongs to the connection until conn_close.
 */

#include "base/err.h"
#include "loop/loop.h"
#include "ttrpc/codec.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <sys/types.h>

struct conn;

struct conn_ops {
	/* True: a frame over the limit breaks the connection at its header; false: it is
	 * skipped. */
	bool strict;
	/* The header of a long frame within the limit has arrived. May be NULL. */
	void (*begun)(void *arg, const struct ttrpc_frame *f);
	/* A complete frame. body is NULL for a skipped one over the limit. Returns -1 to break the
	 * connection with err. */
	int (*frame)(void *arg, const struct ttrpc_frame *f, const uint8_t *body, struct err *err);
	/* Called once, on the loop, when the peer has closed the connection or violated the
	 * protocol. The owner must call conn_close. */
	void (*broken)(void *arg, const struct err *why);
};

/* Takes ownership of fd and makes it non-blocking. */
struct conn *conn_new(struct loop *loop, int fd, const struct conn_ops *ops, void *arg);
/* On the loop, or after it ended: no callback is called from now on. Returns the fd, which the
 * caller owns now, or -1 if the connection was closed already. The owner's reference stays. */
int conn_close(struct conn *c);
/* Any thread: shuts the socket down; the loop then calls broken. */
void conn_shutdown(struct conn *c);
struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn *c);

/* Any thread. Packs message as the body of a frame and sends or queues it. E_GONE when closed,
 * E_LIMIT when the message or the queue is too large. */
MUST_CHECK int conn_send(struct conn *c, uint32_t stream, enum ttrpc_type type,
			 const ProtobufCMessage *message, struct err *err);

/*
 * Any thread. Sends a frame whose body is a prefix of prefix->len bytes, written by prefix->make
 * once the length of the rest is known, and the data that can be read from the non-blocking fd now,
 * at most max bytes. The data is read straight into the queue or, if fd is a pipe with much data
 * and the queue is empty, spliced into the connection. Other processes may read from fd at the same
 * time: the frame has only what was read here. Returns the number of bytes read. If that is 0 or
 * -1, nothing was sent, and result and errno are those of read(2), or -1 with ENOBUFS (the queue is
 * full) or EPIPE (the connection is closed).
 */
struct conn_prefix {
	size_t len;
	void (*make)(uint8_t *to, size_t rest);
};
ssize_t conn_send_read(struct conn *c, uint32_t stream, enum ttrpc_type type,
		       const struct conn_prefix *prefix, int fd, size_t max);
