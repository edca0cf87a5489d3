// SPDX-License-Identifier: Apache-2.0
/* Links, addresses, routes and neighbours as messages. */

#include "netmessage/netmessage.h"

#include "base/mem.h"
#include "base/str.h"

#include <linux/neighbour.h>
#include <sys/socket.h>

static Types__IPFamily family_to(int family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static int family_from(Types__IPFamily family)
{
	return family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET;
}

/* --- addresses, interfaces --- */

static Types__IPAddress *address(int family, const char *text, unsigned prefix)
{
	Types__IPAddress *to = NEW(Types__IPAddress);

	types__ipaddress__init(to);
	to->family = family_to(family);
	to->address = xstrdup(text);
	to->mask = str_fmt("%u", prefix);
	return to;
}

int netmessage_read_address(const Types__IPAddress *from, struct netlink_address *to,
			    struct err *err)
{
	uint64_t prefix;

	to->family = family_from(from->family);
	if (str_u64(from->mask, 10, 0, 128, "prefix length", &prefix, err) < 0)
		return -1;
	to->prefix = (unsigned)prefix;
	if (str_print(to->address, sizeof(to->address), "%s", from->address) < 0)
		return err_set(err, E_INVALID, "'%.64s' is not an address", from->address);
	return 0;
}

Types__Interface *netmessage_interface(const struct netlink_link *link)
{
	Types__Interface *to = NEW(Types__Interface);

	types__interface__init(to);
	to->device = xstrdup(link->name);
	to->name = xstrdup(link->name);
	to->hwaddr = xstrdup(link->mac);
	to->type = xstrdup(link->kind);
	to->mtu = link->mtu;
	to->raw_flags = link->flags;
	to->ipaddresses = xcalloc(link->addresses.n, sizeof(*to->ipaddresses));
	vec_each(struct netlink_address, a, &link->addresses) {
		to->ipaddresses[to->n_ipaddresses++] = address(a->family, a->address, a->prefix);
	}
	return to;
}

/* --- routes --- */

Types__Route *netmessage_route(const struct netlink_route *route)
{
	Types__Route *to = NEW(Types__Route);

	types__route__init(to);
	to->dest = xstrdup(route->dest);
	to->gateway = xstrdup(route->gateway);
	to->device = xstrdup(route->device);
	to->source = xstrdup(route->source);
	to->scope = route->scope;
	to->family = family_to(route->family);
	to->flags = route->flags;
	to->mtu = route->mtu;
	to->metric = route->metric;
	return to;
}

int netmessage_read_route(const Types__Route *from, struct netlink_route *to, struct err *err)
{
	bool all = str_empty(from->dest) || str_eq(from->dest, "0.0.0.0/0") ||
		   str_eq(from->dest, "::/0");

	*to = (struct netlink_route){ .family = family_from(from->family),
				      .scope = from->scope,
				      .flags = from->flags,
				      .mtu = from->mtu,
				      .metric = from->metric };
	if (from->scope > UINT8_MAX)
		return err_set(err, E_INVALID, "scope %u of a route", from->scope);
	if (str_print(to->dest, sizeof(to->dest), "%s", all ? "" : from->dest) < 0 ||
	    str_print(to->gateway, sizeof(to->gateway), "%s", from->gateway) < 0 ||
	    str_print(to->source, sizeof(to->source), "%s", from->source) < 0 ||
	    str_print(to->device, sizeof(to->device), "%s", from->device) < 0)
		return err_set(err, E_INVALID, "route to '%.64s': a value is too long", from->dest);
	return 0;
}

/* --- neighbours --- */

Types__ARPNeighbor *netmessage_neighbour(const struct netlink_neighbour *n, const char *device)
{
	Types__ARPNeighbor *to = NEW(Types__ARPNeighbor);

	types__arpneighbor__init(to);
	to->toipaddress = address(n->family, n->address, 0);
	to->device = xstrdup(device);
	to->lladdr = xstrdup(n->mac);
	to->state = (int32_t)n->state;
	to->flags = (int32_t)n->flags;
	return to;
}

int netmessage_read_neighbour(const Types__ARPNeighbor *from, struct netlink_neighbour *to,
			      struct err *err)
{
	*to = (struct netlink_neighbour){ .state = from->state ? (unsigned)from->state
							       : NUD_PERMANENT,
					  .flags = (unsigned)from->flags };
	if (!from->toipaddress)
		return err_set(err, E_INVALID, "a neighbour has no address");
	to->family = family_from(from->toipaddress->family);
	if (str_print(to->address, sizeof(to->address), "%s", from->toipaddress->address) < 0 ||
	    str_print(to->mac, sizeof(to->mac), "%s", from->lladdr) < 0)
		return err_set(err, E_INVALID, "neighbour '%.64s': a value is too long",
			       from->toipaddress->address);
	return 0;
}
