// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The connection to node (deploy/node/channel.h): made again when it ends, at most once in
 * MESSAGE_RETRY_MS.
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

/* m NULL: connected says that the connection came, or that it went. */
typedef void (*link_fn)(void *arg, const struct message *m, bool connected);

struct link *link_new(struct loop *loop, const char *path, link_fn fn, void *arg);
/* Without a connection it is lost: after the next one node asks again. */
void link_say(struct link *link, const struct message *m);
void link_free(struct link *link); /* NULL is accepted */
