// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * How an interface of a pod's namespace becomes the VM's: a wire, with an fd at its end that the VMM reads
 * and writes. The two models:
 *
 * tcfilter	a tap beside the interface, an ingress qdisc on each, and a filter that sends out at the other
 *		what arrives at it. For every kind of interface.
 * macvtap	a macvtap on the interface, which takes over (mode "passthru") what that receives and sends.
 *		Nothing is copied between two queues, but what arrives cannot be limited. For a veth: on a
 *		macvlan it would be on the node's device, beside the pod's.
 *
 * The interface keeps its addresses, but no frame for it reaches the namespace's own stack. All functions
 * work in the namespace of nl.
 */

#include "network/endpoint.h"

struct wire {
	const char *model; /* internetworking_model */
	/* Sets tap_fd and tap_index. On failure nothing of ours is left, and what another VM has
	 * there is untouched: the link of that name is whose came first. */
	int (*connect)(struct netlink *nl, struct endpoint *e, struct err *err);
	/* Undoes it, also that of a process which has died at any point; what has gone is success. */
	int (*disconnect)(struct netlink *nl, const char *interface, const char *tap,
			  struct err *err);
};

extern const struct wire wire_tcfilter, wire_macvtap;

/* The one of that model which serves such a link: tcfilter where macvtap cannot. */
const struct wire *wire_for(const char *model, const struct netlink_link *link);
/* NULL: there is no such model. */
const struct wire *wire_named(const char *model);

/* For both: removes the link of that name if it is of that kind. */
MUST_CHECK int wire_drop_link(struct netlink *nl, const char *name, const char *kind,
			      struct err *err);
/* Likewise: brings the interface up, since what arrives is the guest's only then. */
MUST_CHECK int wire_set_up(struct netlink *nl, const struct netlink_link *link, struct err *err);
