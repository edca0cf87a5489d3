// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A tap beside an interface, and the wire between them ("tcfilter"): each has an ingress qdisc whose
 * filter sends out at the other what arrives at it. The interface keeps its addresses, but nothing
 * that arrives reaches the namespace's own stack. The tap goes with the last fd of it.
 *
 * All in the namespace.
 */

#include "network/endpoint.h"

/* Sets tap_fd, and vhost_fd if it is wanted and the host has it. On failure nothing of ours is left,
 * and what another VM has there is untouched: the tap of that name is whose came first. */
MUST_CHECK int tap_connect(struct netlink *nl, struct endpoint *e, bool vhost, struct err *err);
/* Undoes it, also that of a process which has died at any point; what has gone is success. */
MUST_CHECK int tap_disconnect(struct netlink *nl, const char *interface, const char *tap,
			      struct err *err);
