// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Port forwarding: each connection to localhost in the pod's namespace on the host (forward.h) is
 * continued to the same port of localhost in the guest, through the agent (docs/protocol/agent.md,
 * "Connections"). Either direction can be closed alone; a connection that the guest refuses or
 * resets is reset.
 *
 *	ports = ports_open(loop, vm, netns, deadline, err)	// flow
 *	ports_start(ports)			// loop
 *	ports_stop(ports)			// loop, before the VM's client is freed
 *	ports_free(ports)			// after that client was freed
 *
 * At most 128 connections are open at a time; further ones wait until one ends. Each buffers at
 * most 192 KiB that one side has sent and the other has not taken; then the sender waits. If a
 * client ends while it waits, the host's kernel keeps what it had sent for up to four minutes
 * before the connection is found to be gone; if it left something unread, it is reset at once.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"
#include "sandbox/vm.h"

struct ports;

/* Makes the listening sockets in the namespace. NULL with E_UNSUPPORTED: the host's kernel or the
 * agent does not support it. loop and vm must outlive the result; netns is used during the call
 * only. */
struct ports *ports_open(struct loop *loop, struct vm *vm, int netns, struct deadline deadline,
			 struct err *err);
/* Begins to accept connections. */
void ports_start(struct ports *all);
/* Resets all connections and closes the listening sockets, which keep the namespace alive. May be
 * called again; NULL is accepted. */
void ports_stop(struct ports *all);
/* NULL is accepted. */
void ports_free(struct ports *all);
