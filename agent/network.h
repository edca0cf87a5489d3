// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Configures the guest's network as the runtime describes it: links, routes, neighbours. Flows;
 * each call opens a netlink socket of its own. Results are lists of libs/netlink, released by its
 * functions.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "netlink/netlink.h"

#include <stdbool.h>
#include <stddef.h>

struct network_link {
	const char *mac; /* identifies the link; if several have it, the names do so too */
	const char *name;
	const char
		*former; /* the name that the guest has for it; NULL or "": as name, or none yet */
	unsigned mtu;    /* 0: unchanged */
	unsigned flags;  /* IFF_*; only IFF_NOARP is used */
	bool gone;       /* the card stays, but belongs to no interface any more */
	struct netlink_address *addresses;
	size_t n_addresses;
};

/* Waits for the link with the hardware address that is the interface's, or no interface's yet (not
 * IFF_UP), and sets its name, its addresses (others are removed), MTU and flags. One that is gone
 * loses its addresses and its hardware address, so that a later card with the same one is not
 * mistaken for it; success if there is none. */
MUST_CHECK int network_set_link(const struct network_link *want, struct deadline deadline,
				struct err *err);
MUST_CHECK int network_list_links(struct netlink_links *out, struct err *err);

/* Sets the routes: adds those of the list and removes others, except those of lo and those that the
 * kernel made for addresses. Of the latter, one to a destination that the list reaches by a gateway
 * is removed too. A route that exists already is left alone. *now: all routes afterwards. */
MUST_CHECK int network_set_routes(const struct netlink_route *want, size_t n,
				  struct netlink_routes *now, struct err *err);
MUST_CHECK int network_list_routes(struct netlink_routes *out, struct err *err);

struct network_neighbour {
	const char *device;
	struct netlink_neighbour neighbour; /* without its index, which device determines */
};

/* E_NOT_FOUND names a device that does not exist. */
MUST_CHECK int network_add_neighbours(const struct network_neighbour *want, size_t n,
				      struct err *err);
