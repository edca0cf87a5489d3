// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Converts the objects of netlink.h to messages of the agent's protocol and back. The runtime sends
 * the network that the guest shall have; the agent configures it, and reports the network that it
 * has.
 *
 * Messages are heap; free them with protobuf_c_message_free_unpacked(). The default route has no
 * destination, here and in messages; "0.0.0.0/0" and "::/0" are read as the default route too.
 */

#include "base/err.h"
#include "netlink/netlink.h"
#include "protocols/types.pb-c.h"

/* A flag in raw_flags, IFF_DORMANT: the interface has gone, but its card cannot be unplugged. Other
 * agents ignore it. */
#define NETMESSAGE_GONE 0x20000

Types__Interface *netmessage_interface(const struct netlink_link *link);
Types__Route *netmessage_route(const struct netlink_route *route);
/* device: the name of the link through which the neighbour is reached. */
Types__ARPNeighbor *netmessage_neighbour(const struct netlink_neighbour *n, const char *device);

/* E_INVALID if a value is too long or out of range. */
MUST_CHECK int netmessage_read_address(const Types__IPAddress *from, struct netlink_address *to,
				       struct err *err);
MUST_CHECK int netmessage_read_route(const Types__Route *from, struct netlink_route *to,
				     struct err *err);
/* Does not set to->index: the caller finds it by from->device. The state is NUD_PERMANENT if the
 * message has none. */
MUST_CHECK int netmessage_read_neighbour(const Types__ARPNeighbor *from,
					 struct netlink_neighbour *to, struct err *err);
