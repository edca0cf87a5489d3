// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Where report is heard: the socket, and the connection that counts, which is the newest one.
 *
 *	struct door *d = door_open(loop, MESSAGE_SOCKET, came, heard, arg, err);
 *	if (door_has_peer(d))
 *		door_say(d, &m);
 *	...
 *	door_close(d);
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

struct door;
typedef void door_came(void *arg);
typedef void door_heard(void *arg, const struct message *m);

/* NULL: the socket cannot be made. */
struct door *door_open(struct loop *loop, const char *path, door_came *came, door_heard *heard,
		       void *arg, struct err *err);
void door_close(struct door *d); /* NULL is accepted */
bool door_has_peer(const struct door *d);
/* Without a connection it is lost. */
void door_say(struct door *d, const struct message *m);
