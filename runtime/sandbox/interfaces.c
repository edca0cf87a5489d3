// SPDX-License-Identifier: Apache-2.0
/* What the agent is asked for, for the network of a sandbox. */

#include "sandbox/interfaces.h"

#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <stdlib.h>
#include <sys/socket.h>

static Types__IPFamily family_of(int family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

/* --- interfaces --- */

static Types__IPAddress *describe_address(const struct netlink_address *a)
{
	Types__IPAddress *to = NEW(Types__IPAddress);

	types__ipaddress__init(to);
	to->family = family_of(a->family);
	to->address = xstrdup(a->address);
	to->mask = str_fmt("%u", a->prefix);
	return to;
}

/* By its hardware address, which its card has too. */
static Types__Interface *describe_interface(const struct netlink_link *link, bool gone)
{
	Types__Interface *to = NEW(Types__Interface);

	types__interface__init(to);
	to->device = xstrdup(link->name);
	to->name = xstrdup(link->name);
	to->hwaddr = xstrdup(link->mac);
	to->type = xstrdup(link->kind);
	to->mtu = link->mtu;
	to->raw_flags = link->flags & IFF_NOARP;
	to->ipaddresses = xcalloc(link->addresses.n, sizeof(*to->ipaddresses));
	vec_each(struct netlink_address, a, &link->addresses) {
		if (!gone)
			to->ipaddresses[to->n_ipaddresses++] = describe_address(a);
	}
	return to;
}

int interfaces_update(struct sandbox *s, struct endpoint *e, struct deadline deadline,
		      struct err *err)
{
	Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	int result;

	request.interface = describe_interface(&e->link, e->gone);
	s->network.routes_told = s->network.neighbours_told = false;
	result = sandbox_call(s, "UpdateInterface", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&request.interface->base, NULL);
	e->told = result == 0;
	return result;
}

/* --- routes --- */

static Types__Route *describe_route(const struct netlink_route *r)
{
	Types__Route *to = NEW(Types__Route);

	types__route__init(to);
	to->dest = xstrdup(r->dest);
	to->gateway = xstrdup(r->gateway);
	to->device = xstrdup(r->device);
	to->source = xstrdup(r->source);
	to->scope = r->scope;
	to->family = family_of(r->family);
	to->flags = r->flags;
	to->mtu = r->mtu;
	to->metric = r->metric;
	return to;
}

static int update_routes(struct sandbox *s, struct deadline deadline, struct err *err)
{
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	const struct netlink_routes *all = &s->network.routes;
	Grpc__Routes *routes;
	int result;

	routes = NEW(Grpc__Routes);
	grpc__routes__init(routes);
	routes->routes = xcalloc(all->routes.n, sizeof(*routes->routes));
	vec_each(struct netlink_route, r, &all->routes)
		routes->routes[routes->n_routes++] = describe_route(r);
	request.routes = routes;
	result = sandbox_call(s, "UpdateRoutes", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&routes->base, NULL);
	return result;
}

/* --- neighbours --- */

static Types__ARPNeighbor *describe_neighbour(const struct network *n,
					      const struct netlink_neighbour *one)
{
	Types__ARPNeighbor *to = NEW(Types__ARPNeighbor);
	const struct netlink_address address = { .family = one->family };

	types__arpneighbor__init(to);
	to->toipaddress = describe_address(&address);
	str_set(&to->toipaddress->address, one->address);
	to->device = xstrdup(network_name_of(n, one->index));
	to->lladdr = xstrdup(one->mac);
	to->state = (int32_t)one->state;
	to->flags = (int32_t)one->flags;
	return to;
}

static int add_neighbours(struct sandbox *s, struct deadline deadline, struct err *err)
{
	Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	const struct netlink_neighbours *all = &s->network.neighbours;
	Grpc__ARPNeighbors *list;
	int result;

	if (!all->neighbours.n)
		return 0;
	list = NEW(Grpc__ARPNeighbors);
	grpc__arpneighbors__init(list);
	list->arpneighbors = xcalloc(all->neighbours.n, sizeof(*list->arpneighbors));
	vec_each(struct netlink_neighbour, one, &all->neighbours)
		list->arpneighbors[list->n_arpneighbors++] = describe_neighbour(&s->network, one);
	request.neighbors = list;
	result = sandbox_call(s, "AddARPNeighbors", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&list->base, NULL);
	return result;
}

int interfaces_route(struct sandbox *s, struct deadline deadline, struct err *err)
{
	struct network *n = &s->network;

	if (!n->routes_told && update_routes(s, deadline, err) < 0)
		return -1;
	n->routes_told = true;
	if (!n->neighbours_told && add_neighbours(s, deadline, err) < 0)
		return -1;
	n->neighbours_told = true;
	return 0;
}

/* Without any routes, the guest keeps what its kernel made for the addresses. */
int interfaces_set_up(struct sandbox *s, struct deadline deadline, struct err *err)
{
	vec_each(struct endpoint, e, &s->network.endpoints.list) {
		if (interfaces_update(s, e, deadline, err) < 0)
			return -1;
	}
	s->network.routes_told = !s->network.routes.routes.n;
	return interfaces_route(s, deadline, err);
}
