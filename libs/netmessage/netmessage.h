// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What netlink knows of a network namespace, as messages of the agent's protocol and back: the runtime
 * describes what the guest is to have, the agent does it, and says what there is.
 *
 * Messages are heap, for protobuf_c_message_free_unpacked(). Of a route with no destination the message has
 * none either; "0.0.0.0/0" and "::/0" are read as none.
 */

#include "base/err.h"
#include "netlink/netlink.h"
#include "protocols/types.pb-c.h"

Types__Interface *netmessage_interface(const struct netlink_link *link);
Types__Route *netmessage_route(const struct netlink_route *route);
/* device: the name of the link that it is behind. */
Types__ARPNeighbor *netmessage_neighbour(const struct netlink_neighbour *n, const char *device);

/* E_INVALID: a value is too long, or out of range. */
MUST_CHECK int netmessage_read_address(const Types__IPAddress *from, struct netlink_address *to,
				       struct err *err);
MUST_CHECK int netmessage_read_route(const Types__Route *from, struct netlink_route *to,
				     struct err *err);
/* Without its index, which is found by from->device. Permanent, if no state is said. */
MUST_CHECK int netmessage_read_neighbour(const Types__ARPNeighbor *from,
					 struct netlink_neighbour *to, struct err *err);
