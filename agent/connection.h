// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Connections to TCP ports of the guest's localhost, for port forwarding: the runtime asks for one
 * when a client on the host connects to a port of the pod. All on the loop; nothing here blocks.
 *
 *	connection_open(list, id, port, done, call, err)	// done is called once
 *	connection_stream(list, id, err)			// read and write it (stream.h)
 *	connection_close(list, id)				// in any state
 *
 * 127.0.0.1 is tried first, then ::1, in the guest's network, which is the pod's.
 */

#include "agent/stream.h"

#include "base/err.h"
#include "base/vec.h"
#include "loop/loop.h"

#include <stdint.h>

enum { CONNECTIONS_MAX = 256 };

struct connection;

struct connections {
	struct loop *loop;
	VEC(struct connection *) v;
};

void connections_init(struct connections *list, struct loop *loop);
/* Closes all of them. */
void connections_release(struct connections *list);

/* The result of connection_open(): connected if err is NULL, else the reason of the failure. */
typedef void (*connection_done_fn)(void *call, const struct err *err);

/* Begins to connect. The runtime chooses the id. done is called with call once it is connected or
 * has failed, perhaps before this returns. E_INVALID, E_EXISTS, E_LIMIT: nothing was begun, and
 * done is not called. */
MUST_CHECK int connection_open(struct connections *list, const char *id, uint32_t port,
			       connection_done_fn done, void *call, struct err *err);
/* Returns the stream of a connection, borrowed; NULL with E_NOT_FOUND if the id is unknown or not
 * connected yet. */
struct stream *connection_stream(struct connections *list, const char *id, struct err *err);
/* Closes the connection; pending requests fail. Does nothing for an unknown id. */
void connection_close(struct connections *list, const char *id);
