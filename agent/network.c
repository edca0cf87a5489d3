// SPDX-License-Identifier: Apache-2.0
/* Configures the guest's network as the runtime describes it. Links are identified by their
 * hardware address. */

#include "agent/agent.h"

#include "base/mem.h"
#include "base/str.h"
#include "netlink/netlink.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

DEFINE_AUTO(netlink, struct netlink *, NULL, netlink_close)

enum { LINK_LOOK_MS = 20 };

static int family_of(Types__IPFamily family)
{
	return family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET;
}

static int to_address(const Types__IPAddress *from, struct netlink_address *to, struct err *err)
{
	uint64_t prefix;

	to->family = family_of(from->family);
	if (str_u64(from->mask, 10, 0, 128, "prefix length", &prefix, err) < 0)
		return -1;
	to->prefix = (unsigned)prefix;
	if (str_print(to->address, sizeof(to->address), "%s", from->address) < 0)
		return err_set(err, E_INVALID, "'%.64s' is not an address", from->address);
	return 0;
}

/* A network card that was just plugged may appear later. */
static int await_link(struct netlink *nl, const char *mac, struct deadline deadline,
		      struct netlink_link *out, struct err *err)
{
	if (str_empty(mac))
		return err_set(err, E_INVALID, "the interface has no hardware address");
	while (netlink_find_link(nl, NULL, mac, out, err) < 0) {
		if (err->code != E_NOT_FOUND || deadline_passed(deadline))
			return -1;
		err_clear(err);
		(void)nanosleep(&(struct timespec){ .tv_nsec = LINK_LOOK_MS * 1000000L }, NULL);
	}
	return 0;
}

static int set_addresses(struct netlink *nl, const struct netlink_link *link,
			 const Types__Interface *want, struct err *err)
{
	vec_each(struct netlink_address, old, &link->addresses) {
		if (netlink_drop_address(nl, link->index, old, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < want->n_ipaddresses; i++) {
		struct netlink_address new;

		if (to_address(want->ipaddresses[i], &new, err) < 0 ||
		    netlink_add_address(nl, link->index, &new, err) < 0)
			return -1;
	}
	return 0;
}

/* If another link has the name, that link is renamed: the kernel may find links in another order
 * than the runtime's. */
static int set_name(struct netlink *nl, const struct netlink_link *link, const char *name,
		    struct err *err)
{
	struct netlink_link other;
	char aside[IFNAMSIZ];
	int result;

	if (str_empty(name) || str_eq(name, link->name))
		return 0;
	if (netlink_find_link(nl, name, NULL, &other, err) == 0) {
		(void)snprintf(aside, sizeof(aside), "kata-%d", other.index);
		result = netlink_set_up(nl, other.index, false, err);
		if (result == 0)
			result = netlink_set_name(nl, other.index, aside, err);
		netlink_link_release(&other);
		if (result < 0)
			return -1;
	} else if (err->code != E_NOT_FOUND) {
		return -1;
	} else {
		err_clear(err);
	}
	return netlink_set_name(nl, link->index, name, err);
}

static int set_link(struct netlink *nl, const struct netlink_link *link,
		    const Types__Interface *want, struct err *err)
{
	unsigned flags = IFF_UP | (want->raw_flags & IFF_NOARP);

	if (want->mtu > UINT32_MAX)
		return err_set(err, E_INVALID, "MTU %llu", (unsigned long long)want->mtu);
	if (netlink_set_up(nl, link->index, false, err) < 0 ||
	    set_name(nl, link, want->name, err) < 0 || set_addresses(nl, link, want, err) < 0 ||
	    (want->mtu && netlink_set_mtu(nl, link->index, (unsigned)want->mtu, err) < 0))
		return -1;
	return netlink_set_flags(nl, link->index, flags, IFF_UP | IFF_NOARP, err);
}

static int update_interface(const Types__Interface *want, struct deadline deadline, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct netlink_link link;
	int result;

	if (!want)
		return err_set(err, E_INVALID, "the request has no interface");
	if (netlink_open(&nl, err) < 0 || await_link(nl, want->hwaddr, deadline, &link, err) < 0)
		return -1;
	result = set_link(nl, &link, want, err);
	netlink_link_release(&link);
	return result < 0 ? err_wrap(err, "interface %.32s", want->name) : 0;
}

void on_update_interface(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateInterfaceRequest *r = request;
	const struct sandbox *s = arg;
	struct err err = ERR_INIT;

	if (update_interface(r->interface, flow_deadline(call, s->settings->hotplug_ms), &err) < 0)
		ttrpc_fail(call, &err);
	else
		ttrpc_reply(call, r->interface);
}

/* --- list of links --- */

static Types__IPAddress *from_address(const struct netlink_address *a)
{
	Types__IPAddress *to = NEW(Types__IPAddress);

	types__ipaddress__init(to);
	to->family = a->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	to->address = xstrdup(a->address);
	to->mask = str_fmt("%u", a->prefix);
	return to;
}

static Types__Interface *from_link(const struct netlink_link *link)
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
	vec_each(struct netlink_address, a, &link->addresses)
		to->ipaddresses[to->n_ipaddresses++] = from_address(a);
	return to;
}

static Grpc__Interfaces *list_interfaces(struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct netlink_links links;
	Grpc__Interfaces *reply;

	if (netlink_open(&nl, err) < 0 || netlink_list_links(nl, &links, err) < 0)
		return NULL;
	reply = NEW(Grpc__Interfaces);
	grpc__interfaces__init(reply);
	reply->interfaces = xcalloc(links.links.n, sizeof(*reply->interfaces));
	vec_each(struct netlink_link, link, &links.links)
		reply->interfaces[reply->n_interfaces++] = from_link(link);
	netlink_links_release(&links);
	return reply;
}

void on_list_interfaces(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;
	Grpc__Interfaces *reply = list_interfaces(&err);

	(void)request;
	(void)arg;
	if (!reply) {
		ttrpc_fail(call, &err);
		return;
	}
	ttrpc_reply(call, reply);
	grpc__interfaces__free_unpacked(reply, NULL);
}

/* --- routes --- */

static Types__Route *from_route(const struct netlink_route *route)
{
	Types__Route *to = NEW(Types__Route);
	bool v6 = route->family == AF_INET6;

	types__route__init(to);
	to->dest = xstrdup(*route->dest ? route->dest : v6 ? "::/0" : "0.0.0.0/0");
	to->gateway = xstrdup(route->gateway);
	to->device = xstrdup(route->device);
	to->source = xstrdup(route->source);
	to->scope = route->scope;
	to->family = v6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	to->flags = route->flags;
	to->mtu = route->mtu;
	return to;
}

static Grpc__Routes *list_routes(struct netlink *nl, struct err *err)
{
	struct netlink_routes routes;
	Grpc__Routes *reply;

	if (netlink_list_routes(nl, &routes, err) < 0)
		return NULL;
	reply = NEW(Grpc__Routes);
	grpc__routes__init(reply);
	reply->routes = xcalloc(routes.routes.n, sizeof(*reply->routes));
	vec_each(struct netlink_route, route, &routes.routes)
		reply->routes[reply->n_routes++] = from_route(route);
	netlink_routes_release(&routes);
	return reply;
}

static int to_route(const Types__Route *from, struct netlink_route *to, struct err *err)
{
	bool all = str_empty(from->dest) || str_eq(from->dest, "0.0.0.0/0") ||
		   str_eq(from->dest, "::/0");

	*to = (struct netlink_route){ .family = family_of(from->family),
				      .scope = from->scope,
				      .flags = from->flags,
				      .mtu = from->mtu };
	if (from->scope > UINT8_MAX)
		return err_set(err, E_INVALID, "scope %u of a route", from->scope);
	if (str_print(to->dest, sizeof(to->dest), "%s", all ? "" : from->dest) < 0 ||
	    str_print(to->gateway, sizeof(to->gateway), "%s", from->gateway) < 0 ||
	    str_print(to->source, sizeof(to->source), "%s", from->source) < 0 ||
	    str_print(to->device, sizeof(to->device), "%s", from->device) < 0)
		return err_set(err, E_INVALID, "route to '%.64s': a value is too long", from->dest);
	return 0;
}

static int drop_routes(struct netlink *nl, struct err *err)
{
	struct netlink_routes old;
	int result = 0;

	if (netlink_list_routes(nl, &old, err) < 0)
		return -1;
	vec_each(struct netlink_route, route, &old.routes) {
		struct err gone = ERR_INIT; /* was removed with another one */

		if (route->protocol == RTPROT_KERNEL || str_eq(route->device, "lo"))
			continue;
		if (netlink_drop_route(nl, route, &gone) < 0 && gone.sys != ESRCH && result == 0) {
			*err = gone;
			result = -1;
		}
	}
	netlink_routes_release(&old);
	return result;
}

/* Routes without a gateway first: gateways are reached through them. */
static int add_routes(struct netlink *nl, const Grpc__Routes *want, struct err *err)
{
	for (int with_gateway = 0; with_gateway < 2; with_gateway++) {
		for (size_t i = 0; i < want->n_routes; i++) {
			struct netlink_route route;

			if ((*want->routes[i]->gateway != '\0') != with_gateway)
				continue;
			if (to_route(want->routes[i], &route, err) < 0 ||
			    netlink_add_route(nl, &route, err) < 0)
				return -1;
		}
	}
	return 0;
}

void on_update_routes(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateRoutesRequest *r = request;
	AUTO(netlink) struct netlink *nl = NULL;
	struct err err = ERR_INIT;
	Grpc__Routes *reply = NULL;

	(void)arg;
	if (!r->routes)
		err_set(&err, E_INVALID, "the request has no routes");
	else if (netlink_open(&nl, &err) == 0 && drop_routes(nl, &err) == 0 &&
		 add_routes(nl, r->routes, &err) == 0)
		reply = list_routes(nl, &err);
	if (!reply) {
		ttrpc_fail(call, &err);
		return;
	}
	ttrpc_reply(call, reply);
	grpc__routes__free_unpacked(reply, NULL);
}

void on_list_routes(struct ttrpc_call *call, const void *request, void *arg)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct err err = ERR_INIT;
	Grpc__Routes *reply = netlink_open(&nl, &err) == 0 ? list_routes(nl, &err) : NULL;

	(void)request;
	(void)arg;
	if (!reply) {
		ttrpc_fail(call, &err);
		return;
	}
	ttrpc_reply(call, reply);
	grpc__routes__free_unpacked(reply, NULL);
}

/* --- neighbours --- */

static int add_neighbour(struct netlink *nl, const Types__ARPNeighbor *from, struct err *err)
{
	struct netlink_neighbour n = { .state = from->state ? (unsigned)from->state : NUD_PERMANENT,
				       .flags = (unsigned)from->flags };

	if (!from->toipaddress)
		return err_set(err, E_INVALID, "a neighbour has no address");
	n.family = family_of(from->toipaddress->family);
	n.index = (int)if_nametoindex(from->device);
	if (!n.index)
		return err_set(err, E_NOT_FOUND, "there is no link named %.32s", from->device);
	if (str_print(n.address, sizeof(n.address), "%s", from->toipaddress->address) < 0 ||
	    str_print(n.mac, sizeof(n.mac), "%s", from->lladdr) < 0)
		return err_set(err, E_INVALID, "neighbour '%.64s': a value is too long",
			       from->toipaddress->address);
	return netlink_add_neighbour(nl, &n, err);
}

void on_add_arp_neighbors(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddARPNeighborsRequest *r = request;
	AUTO(netlink) struct netlink *nl = NULL;
	struct err err = ERR_INIT;
	int result = netlink_open(&nl, &err);

	(void)arg;
	for (size_t i = 0; result == 0 && r->neighbors && i < r->neighbors->n_arpneighbors; i++)
		result = add_neighbour(nl, r->neighbors->arpneighbors[i], &err);
	answer(call, result, &err);
}
