// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Messages (message.h) over a connected stream socket, on a loop.
 *
 *	struct channel *c = channel_new(loop, fd, MESSAGE_FROM_REPORT, heard, gone, arg);
 *	channel_say(c, &m);
 *	...
 *	channel_free(c);
 *
 * It never blocks and is bounded in both directions: one line of input, CHANNEL_OUT bytes of output.
 * A peer that breaks the protocol, does not read, or sends more than CHANNEL_RATE messages within
 * ten seconds is left: gone() is called with the reason (E_PROTOCOL, E_LIMIT; E_GONE: it closed).
 * After gone() nothing more is called; the channel is still to be freed, also from there. heard()
 * may free it too.
 */

#include "base/err.h"
#include "deploy/node/message.h"
#include "loop/loop.h"

enum { CHANNEL_OUT = 8 * MESSAGE_MAX, CHANNEL_RATE = 100, CHANNEL_RATE_MS = 10000 };

struct channel;
typedef void channel_heard(void *arg, const struct message *m);
typedef void channel_gone(void *arg, const struct err *why);

/* Owns fd. from: whose messages are heard. */
struct channel *channel_new(struct loop *loop, int fd, enum message_side from, channel_heard *heard,
			    channel_gone *gone, void *arg);
void channel_free(struct channel *c); /* NULL is accepted */
/* Says it as soon as the peer reads. What cannot be said ends the channel, as above. */
void channel_say(struct channel *c, const struct message *m);

/* The socket that node listens at, mode 0666, in a directory that exists; one that a dead process
 * left is replaced. An fd for loop/listener.h. */
MUST_CHECK int channel_listen(const char *path, struct err *err);
