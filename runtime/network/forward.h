// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Connections to localhost in the namespace of a pod. A container manager forwards a port by entering
 * that namespace and connecting to 127.0.0.1 or ::1 there; the programs that are meant listen in the
 * guest. So the namespace gets a listening socket for either address, and a BPF program of the kind
 * "socket lookup" (Linux 5.9) that hands it each TCP connection to that address, whatever its port.
 *
 *	struct forward f;
 *	forward_open(netns, &f, err)
 *	forward_take(fd, &port, err)	// each connection of f.listeners[i]
 *	forward_reset(&fd), or close it
 *	forward_close(&f)
 *
 * Sockets and program are this process's: they vanish with it, and nothing of them is to be undone.
 * The sockets keep the namespace until they are closed. 127.0.0.2 and the like are left alone: resolvers
 * that managers put into a namespace have such addresses.
 */

#include "base/err.h"

#include <stdint.h>

enum { FORWARD_IPV4, FORWARD_IPV6, FORWARD_FAMILIES };

struct forward {
	int listeners[FORWARD_FAMILIES]; /* -1: the host has no IPv6 */
	int link;                        /* of the program to the namespace */
};

#define FORWARD_NONE                                \
	{                                           \
		.listeners = { -1, -1 }, .link = -1 \
	}

/* E_UNSUPPORTED: the host's kernel cannot do that. Blocking, briefly. */
MUST_CHECK int forward_open(int netns, struct forward *out, struct err *err);
/* Prepares a connection that was accepted, and says which port it asked for. */
MUST_CHECK int forward_take(int fd, uint16_t *port, struct err *err);
/* Closes a connection so that its peer gets "connection reset". */
void forward_reset(int *fd);
void forward_close(struct forward *f);
