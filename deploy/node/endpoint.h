// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Where report is heard: the socket, and the connection that counts, which is the newest one.
 *
 *	struct endpoint *e = endpoint_open(loop, MESSAGE_SOCKET, came, heard, arg, err);
 *	if (endpoint_has_peer(e))
 *		endpoint_say(e, &m);
 *	...
 *	endpoint_close(e);
 *
 * came() is called for each new connection, heard() for each message. Who connects again and again is
 * let in once in MESSAGE_RETRY_MS, which is as often as report does it; of those that came meanwhile the
 * newest counts. So what a peer can have done is bounded, whatever it does: one came() and CHANNEL_RATE
 * messages in that time.
 * That a connection has ended is logged, once until something is heard again.
 *
 * Threads: the loop's only.
 */

#include "base/err.h"
#include "deploy/node/message.h"
#include "loop/loop.h"

#include <stdbool.h>

struct endpoint;
typedef void endpoint_came(void *arg);
typedef void endpoint_heard(void *arg, const struct message *m);

/* NULL: the socket cannot be made. */
struct endpoint *endpoint_open(struct loop *loop, const char *path, endpoint_came *came,
			       endpoint_heard *heard, void *arg, struct err *err);
void endpoint_close(struct endpoint *e); /* NULL is accepted */
bool endpoint_has_peer(const struct endpoint *e);
/* Without a connection it is lost. */
void endpoint_say(struct endpoint *e, const struct message *m);
