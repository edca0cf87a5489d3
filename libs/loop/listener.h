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
 * A process that has no fd or no memory for another connection lets it wait, says so in the log once,
 * and tries again each second: it neither spins nor loses the connection.
 *
 * Threads: the loop's only, or before it runs.
 */

#include "loop/loop.h"

struct listener;

/* Owns fd, which it closes. It may free the listener. */
typedef void (*listener_fn)(void *arg, int fd);

/* Owns the socket, and makes it non-blocking: a peer that is gone before accept(2) must not block the
 * loop. flags: SOCK_NONBLOCK or 0, for the connections; they always have close-on-exec. */
struct listener *listener_new(struct loop *loop, int fd, int flags, listener_fn fn, void *arg);
void listener_set(struct listener *l, bool accepting);
/* Closes the socket. NULL is accepted. */
void listener_free(struct listener *l);
