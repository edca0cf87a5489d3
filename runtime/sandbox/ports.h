// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Ports of a pod's localhost: a connection to localhost in the pod's namespace on the host (forward.h)
 * is continued to the same port of localhost in the guest, by streams of the agent
 * (docs/protocol/agent.md, "Connections"). Each direction ends alone; a connection that the guest
 * refuses or resets is reset.
 *
 *	ports = ports_open(loop, vm, netns, deadline, err)	// flow
 *	ports_start(ports)					// loop
 *	ports_stop(ports)					// loop, before the VM's client is freed
 *	ports_free(ports)					// after that client was freed
 *
 * At most 128 connections are open at a time; more wait until one ends. Each holds at most 192 KiB of
 * what one side has sent and the other has not taken; then the sender waits.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"
#include "sandbox/vm.h"

struct ports;

/* NULL with E_UNSUPPORTED: the host's kernel or the agent cannot do that. loop and vm outlive it; netns
 * is used during the call only. */
struct ports *ports_open(struct loop *loop, struct vm *vm, int netns, struct deadline deadline,
			 struct err *err);
void ports_start(struct ports *all);
/* Resets what is connected; the namespace is free again. Any number of times; NULL is accepted. */
void ports_stop(struct ports *all);
/* NULL is accepted. */
void ports_free(struct ports *all);
