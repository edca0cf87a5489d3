// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Node's end of the protocol (message.h): listens at the socket and keeps the newest connection.
 *
 *	struct endpoint *e = endpoint_open(loop, MESSAGE_SOCKET, came, heard, arg, err);
 *	if (endpoint_has_peer(e))
 *		endpoint_say(e, &m);
 *	...
 *	endpoint_close(e);
 *
 * came() is called for each new connection, heard() for each message. One connection is accepted in
 * MESSAGE_RETRY_MS, which is as often as report connects; if several arrive meanwhile, the newest
 * is used. So the work that a peer can cause is bounded: one came() and CHANNEL_RATE messages in
 * that time. The end of a connection is logged once, until a message arrives again.
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

/* Makes the socket and listens; the caller closes the endpoint. NULL with an error: it cannot. */
struct endpoint *endpoint_open(struct loop *loop, const char *path, endpoint_came *came,
			       endpoint_heard *heard, void *arg, struct err *err);
void endpoint_close(struct endpoint *e); /* NULL is accepted */
bool endpoint_has_peer(const struct endpoint *e);
/* Sends a message; without a connection it is lost. */
void endpoint_say(struct endpoint *e, const struct message *m);
