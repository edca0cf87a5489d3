// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Accepts the connections of a listening stream socket (listen(2) was called) on a loop.
 *
 *	struct listener *l = listener_new(loop, fd, SOCK_NONBLOCK, on_connection, arg);
 *	...
 *	listener_set(l, false);		// new connections wait in the kernel's queue
 *	...
 *	listener_free(l);
 *
 * If the process has no fd or no memory for another connection, the connection stays in the
 * kernel's queue, a line is logged once, and accept(2) is tried again each second.
 *
 * Threads: all functions only on the loop's thread, or before it runs.
 */

#include "loop/loop.h"

struct listener;

/* Called with each connection, whose fd it owns. It may free the listener. */
typedef void (*listener_fn)(void *arg, int fd);

/* Takes ownership of the socket fd and makes it non-blocking, since a peer that disconnects before
 * accept(2) must not block the loop. flags: SOCK_NONBLOCK or 0, for the connections, which are
 * always close-on-exec. */
struct listener *listener_new(struct loop *loop, int fd, int flags, listener_fn fn, void *arg);
/* Stops accepting (false), or accepts again. */
void listener_set(struct listener *l, bool accepting);
/* Closes the socket. NULL is accepted. */
void listener_free(struct listener *l);
