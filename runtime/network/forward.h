// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Accepts connections to localhost in the namespace of a pod. A container engine forwards a port by
 * entering that namespace and connecting to 127.0.0.1 or ::1 there, but the pod's programs listen
 * in the guest. So the namespace gets a listening socket for either address, and a BPF program of
 * the type "socket lookup" (Linux 5.9) that assigns to it each TCP connection to that address,
 * whatever its port.
 *
 *	struct forward f;
 *	forward_open(netns, &f, err)
 *	forward_take(fd, &port, err)	// each connection of f.listeners[i]
 *	forward_reset(&fd), or close it
 *	forward_close(&f)
 *
 * Sockets and program belong to this process and vanish with it, so a crash leaves nothing behind.
 * The sockets keep the namespace alive until they are closed. Other addresses, such as 127.0.0.2,
 * are not affected: engines run resolvers in a namespace at such addresses.
 */

#include "base/err.h"

#include <stdint.h>

enum { FORWARD_IPV4, FORWARD_IPV6, FORWARD_FAMILIES };

struct forward {
	int listeners[FORWARD_FAMILIES]; /* -1: the host has no IPv6 */
	int link;                        /* BPF link, which attaches the program to the namespace */
};

#define FORWARD_NONE                                \
	{                                           \
		.listeners = { -1, -1 }, .link = -1 \
	}

/* Opens the sockets and attaches the program; *out is for forward_close(). E_UNSUPPORTED: the
 * host's kernel has no such program type, or does not allow it. Blocks briefly. */
MUST_CHECK int forward_open(int netns, struct forward *out, struct err *err);
/* Prepares an accepted connection; *port: the port that the client connected to. */
MUST_CHECK int forward_take(int fd, uint16_t *port, struct err *err);
/* Closes a connection so that its peer gets "connection reset". Sets *fd to -1. */
void forward_reset(int *fd);
/* Closes all fds. Does nothing for FORWARD_NONE. */
void forward_close(struct forward *f);
