// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Connections to ports of localhost, which the runtime asks for: somebody on the host forwards a port
 * of the pod. All on the loop; nothing here blocks.
 *
 *	connection_open(list, id, port, done, call, err)	// done is called once
 *	connection_stream(list, id, err)			// read and write it (stream.h)
 *	connection_close(list, id)				// whatever its state
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

/* Ends a request of connection_open: connected, or err says why not. */
typedef void (*connection_done_fn)(void *call, const struct err *err);

/* E_INVALID, E_EXISTS, E_LIMIT: done is not called. */
MUST_CHECK int connection_open(struct connections *list, const char *id, uint32_t port,
			       connection_done_fn done, void *call, struct err *err);
/* E_NOT_FOUND: there is none of that name, or it is not connected yet. */
struct stream *connection_stream(struct connections *list, const char *id, struct err *err);
/* Pending requests fail. One that is gone already is success. */
void connection_close(struct connections *list, const char *id);
