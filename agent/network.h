// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The guest's network as the runtime describes it: links, routes, neighbours. Flows; each opens
 * netlink for itself. Lists are released with netlink's functions.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "netlink/netlink.h"

#include <stddef.h>

struct network_link {
	const char *mac; /* which link is meant */
	const char *name;
	unsigned mtu;   /* 0: unchanged */
	unsigned flags; /* of IFF_*, IFF_NOARP counts */
	struct netlink_address *addresses;
	size_t n_addresses;
};

/* Waits for the link, names it, and gives it these addresses and no others. */
MUST_CHECK int network_set_link(const struct network_link *want, struct deadline deadline,
				struct err *err);
MUST_CHECK int network_list_links(struct netlink_links *out, struct err *err);

/* Replaces all routes but those of lo and the kernel's own, of which those go that have another gateway
 * in the list. What is in the list and there already stays; now: what there is after that. */
MUST_CHECK int network_set_routes(const struct netlink_route *want, size_t n,
				  struct netlink_routes *now, struct err *err);
MUST_CHECK int network_list_routes(struct netlink_routes *out, struct err *err);

struct network_neighbour {
	const char *device;
	struct netlink_neighbour neighbour; /* its index is found by the device */
};

MUST_CHECK int network_add_neighbours(const struct network_neighbour *want, size_t n,
				      struct err *err);
