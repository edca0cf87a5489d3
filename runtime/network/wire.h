// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Wires: how an interface of a pod's namespace is connected with the VM. The end of a wire is an
 * fd, by which the VMM sends and receives the interface's frames. There are two models:
 *
 * tcfilter	a tap beside the interface, an ingress qdisc on each, and filters that redirect
 *		what arrives at one to the other. For veth, macvlan, ipvlan and tap.
 * macvtap	a macvtap in mode "passthru" on the interface. Saves a copy between two queues,
 *		but the rate of what arrives cannot be limited. Only for a veth: on a macvlan it
 *		would be attached to the node's device.
 *
 * The interface keeps its addresses, but its frames do not reach the namespace's own stack. All
 * functions work in the namespace of nl.
 */

#include "network/endpoint.h"

struct wire {
	const char *model; /* internetworking_model */
	/* Connects the endpoint, and sets tap_fd and tap_index. On failure nothing of ours is left.
	 * A link of the tap's name that exists already is another VM's, and is left alone. */
	int (*connect)(struct netlink *nl, struct endpoint *e, struct err *err);
	/* Undoes it, also after a process has died at any point of connect; success if there is
	 * nothing to undo. */
	int (*disconnect)(struct netlink *nl, const char *interface, const char *tap,
			  struct err *err);
};

extern const struct wire wire_tcfilter, wire_macvtap;

/* The wire for a link when that model is configured: tcfilter for links that macvtap does not
 * support. */
const struct wire *wire_for(const char *model, const struct netlink_link *link);
/* The wire of that model, or NULL. */
const struct wire *wire_named(const char *model);

/* For both models: removes the link of that name if it is of that kind. */
MUST_CHECK int wire_drop_link(struct netlink *nl, const char *name, const char *kind,
			      struct err *err);
/* For both models: brings the interface up, without which it receives nothing. */
MUST_CHECK int wire_set_up(struct netlink *nl, const struct netlink_link *link, struct err *err);
