// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Report's end of the protocol (deploy/node/message.h): connects to node's socket, and connects
 * again when the connection ends, at most once in MESSAGE_RETRY_MS.
 *
 *	struct link *link = link_new(loop, path, heard, arg);
 *	link_say(link, &message);
 *	link_free(link);
 *
 * Threads: the loop's only.
 */

#include "deploy/node/message.h"
#include "loop/loop.h"

struct link;

/* Called for each message; and, with m NULL, when a connection has been made (connected) or has
 * ended. */
typedef void (*link_fn)(void *arg, const struct message *m, bool connected);

struct link *link_new(struct loop *loop, const char *path, link_fn fn, void *arg);
/* Sends a message. Without a connection it is lost: node repeats its request after the next one. */
void link_say(struct link *link, const struct message *m);
void link_free(struct link *link); /* NULL is accepted */
