// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Sends and receives messages (message.h) over a connected stream socket, on a loop.
 *
 *	struct channel *c = channel_new(loop, fd, MESSAGE_FROM_REPORT, heard, gone, arg);
 *	channel_say(c, &m);
 *	...
 *	channel_free(c);
 *
 * It never blocks and buffers one line of input and CHANNEL_OUT bytes of output. The channel ends
 * if the peer closes the connection, breaks the protocol, does not read, or sends more than
 * CHANNEL_RATE messages within CHANNEL_RATE_MS: gone() is called with the reason (E_GONE,
 * E_PROTOCOL, E_LIMIT), and nothing after it. The owner frees the channel; heard() and gone() may
 * do so too.
 */

#include "base/err.h"
#include "deploy/node/message.h"
#include "loop/loop.h"

enum { CHANNEL_OUT = 8 * MESSAGE_MAX, CHANNEL_RATE = 100, CHANNEL_RATE_MS = 10000 };

struct channel;
typedef void channel_heard(void *arg, const struct message *m);
typedef void channel_gone(void *arg, const struct err *why);

/* Takes over fd. from: the side that the peer is. */
struct channel *channel_new(struct loop *loop, int fd, enum message_side from, channel_heard *heard,
			    channel_gone *gone, void *arg);
void channel_free(struct channel *c); /* NULL is accepted */
/* Sends a message as soon as the peer reads. An error ends the channel, as above. */
void channel_say(struct channel *c, const struct message *m);

/* Makes node's socket, mode 0666, in a directory that must exist; replaces one that a dead process
 * left. Returns an fd that listens, for loop/listener.h. */
MUST_CHECK int channel_listen(const char *path, struct err *err);
