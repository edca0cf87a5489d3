// SPDX-License-Identifier: Apache-2.0
/* The requests to the agent by which the guest gets the sandbox's network. */

#include "sandbox/interfaces.h"

#include "base/mem.h"
#include "base/str.h"
#include "netmessage/netmessage.h"
#include "protocols/agent.pb-c.h"

/* --- interfaces --- */

/* The interface as a message, heap. The guest finds it by the hardware address, which its card has,
 * and among several cards with one address by the name that it has there (device). */
static Types__Interface *describe(const struct endpoint *e)
{
	struct netlink_link link = e->link;
	Types__Interface *to;

	link.flags &= IFF_NOARP;
	if (e->gone) {
		link.addresses.n = 0;
		link.flags |= NETMESSAGE_GONE;
	}
	to = netmessage_interface(&link);
	if (*e->guest_name)
		str_set(&to->device, e->guest_name);
	return to;
}

int interfaces_update(struct sandbox *s, struct endpoint *e, struct deadline deadline,
		      struct err *err)
{
	Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	int result;

	request.interface = describe(e);
	s->network.routes_synced = s->network.neighbours_synced = false;
	result = sandbox_call(s, "UpdateInterface", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&request.interface->base, NULL);
	e->synced = result == 0;
	if (result == 0)
		(void)str_print(e->guest_name, sizeof(e->guest_name), "%s", e->link.name);
	return result;
}

/* --- routes --- */

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
		routes->routes[routes->n_routes++] = netmessage_route(r);
	request.routes = routes;
	result = sandbox_call(s, "UpdateRoutes", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&routes->base, NULL);
	return result;
}

/* --- neighbours --- */

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
	vec_each(struct netlink_neighbour, one, &all->neighbours) {
		list->arpneighbors[list->n_arpneighbors++] =
			netmessage_neighbour(one, network_name_of(&s->network, one->index));
	}
	request.neighbors = list;
	result = sandbox_call(s, "AddARPNeighbors", &request, NULL, deadline, NULL, err);
	protobuf_c_message_free_unpacked(&list->base, NULL);
	return result;
}

int interfaces_route(struct sandbox *s, struct deadline deadline, struct err *err)
{
	struct network *n = &s->network;

	if (!n->routes_synced && update_routes(s, deadline, err) < 0)
		return -1;
	n->routes_synced = true;
	if (!n->neighbours_synced && add_neighbours(s, deadline, err) < 0)
		return -1;
	n->neighbours_synced = true;
	return 0;
}

/* A network without routes needs no UpdateRoutes: the guest's kernel has made those of its
 * addresses. */
int interfaces_set_up(struct sandbox *s, struct deadline deadline, struct err *err)
{
	vec_each(struct endpoint, e, &s->network.endpoints.list) {
		if (interfaces_update(s, e, deadline, err) < 0)
			return -1;
	}
	s->network.routes_synced = !s->network.routes.routes.n;
	return interfaces_route(s, deadline, err);
}
