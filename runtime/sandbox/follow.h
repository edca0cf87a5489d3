// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Follows the network namespace of a running sandbox: an interface that comes is plugged into the VM, one that
 * goes is taken out, and addresses, routes and permanent neighbours are passed on. So what is done to the
 * namespace of any container (docker network connect, Multus' dynamic networks, ip addr) has its effect in the
 * guest too.
 *
 * What has changed is looked up, not concluded from events; so none can be missed, and however many there are,
 * a fraction of a second lies between two looks. What fails is logged, and tried again at the next change; it
 * never ends the sandbox. An interface that was there before the VM cannot be unplugged, it loses its addresses.
 */

#include "sandbox/sandbox.h"

struct follower;

/* Once the guest has its network, from a flow. NULL without an error: there is nothing to follow. */
struct follower *follow_start(struct sandbox *s, struct err *err);
/* From a flow, after vm_stop(): when it returns, nothing uses the network any more. NULL is accepted. */
void follow_stop(struct follower *f);
