// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Follows changes of the network namespace of a running sandbox. An interface that is added there
 * is plugged into the VM, one that is removed is unplugged, and addresses, routes and permanent
 * neighbours are updated in the guest. So `docker network connect`, Multus' dynamic networks or `ip
 * addr` have the effect on a VM that they have on any container.
 *
 * Events only say that something has changed; what has changed is found by reading the namespace
 * again (network_rescan). So a lost event does no harm, and many of them cause one rescan in 200 ms
 * at most. A failure is logged; it never ends the sandbox. What has failed is tried again at the
 * next change, and without one after pauses that grow from a second to a minute, ten times. An
 * interface that the VM had at boot cannot be unplugged; it loses its addresses, also that of its
 * hardware, which a later interface may have.
 */

#include "sandbox/sandbox.h"

struct follower;

/* From a flow, after interfaces_set_up(). Returns the follower for follow_stop(); NULL without an
 * error if the sandbox has no network namespace to follow. */
struct follower *follow_start(struct sandbox *s, struct err *err);
/* From a flow, after vm_stop(). When it returns, no thread uses s->network any more. NULL is
 * accepted. */
void follow_stop(struct follower *f);
