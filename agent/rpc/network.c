// SPDX-License-Identifier: Apache-2.0
/* Requests about the guest's network: interfaces, routes, neighbours, the packet filter. */

#include "agent/rpc/rpc.h"

#include "agent/iptables.h"
#include "agent/network.h"
#include "agent/sandbox.h"
#include "base/mem.h"
#include "base/str.h"
#include "netmessage/netmessage.h"
#include "protocols/agent.pb-c.h"

#include <sys/socket.h>

enum { RULES_MAX = 2 << 20, RUN_MS = 30000 };

/* --- interfaces --- */

/* Converts the message. The caller frees to->addresses, also after an error. */
static int to_link(const Types__Interface *from, struct network_link *to, struct err *err)
{
	*to = (struct network_link){ .mac = from->hwaddr,
				     .name = from->name,
				     .former = from->device,
				     .flags = from->raw_flags,
				     .gone = from->raw_flags & NETMESSAGE_GONE,
				     .mtu = (unsigned)from->mtu };
	if (from->mtu > UINT32_MAX)
		return err_set(err, E_INVALID, "MTU %llu", (unsigned long long)from->mtu);
	to->addresses = xcalloc(from->n_ipaddresses, sizeof(*to->addresses));
	for (size_t i = 0; i < from->n_ipaddresses; i++) {
		if (netmessage_read_address(from->ipaddresses[i], &to->addresses[i], err) < 0)
			return -1;
		to->n_addresses++;
	}
	return 0;
}

static int update_interface(const Types__Interface *want, struct deadline deadline, struct err *err)
{
	struct network_link link;
	int result;

	if (!want)
		return err_set(err, E_INVALID, "the request has no interface");
	if (to_link(want, &link, err) < 0)
		result = err_wrap(err, "interface %.32s", want->name);
	else
		result = network_set_link(&link, deadline, err);
	free(link.addresses);
	return result;
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

void on_list_interfaces(struct ttrpc_call *call, const void *request, void *arg)
{
	struct netlink_links links;
	struct err err = ERR_INIT;
	Grpc__Interfaces *reply;

	(void)request;
	(void)arg;
	if (network_list_links(&links, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply = NEW(Grpc__Interfaces);
	grpc__interfaces__init(reply);
	reply->interfaces = xcalloc(links.links.n, sizeof(*reply->interfaces));
	vec_each(struct netlink_link, link, &links.links)
		reply->interfaces[reply->n_interfaces++] = netmessage_interface(link);
	netlink_links_release(&links);
	ttrpc_reply(call, reply);
	grpc__interfaces__free_unpacked(reply, NULL);
}

/* --- routes --- */

/* The route as a message, heap. The default route's destination is written out, as by upstream's
 * agent. */
static Types__Route *from_route(const struct netlink_route *route)
{
	Types__Route *to = netmessage_route(route);

	if (!*route->dest)
		str_set(&to->dest, route->family == AF_INET6 ? "::/0" : "0.0.0.0/0");
	return to;
}

/* Answers with the routes and releases them. */
static void reply_routes(struct ttrpc_call *call, struct netlink_routes *routes)
{
	Grpc__Routes *reply = NEW(Grpc__Routes);

	grpc__routes__init(reply);
	reply->routes = xcalloc(routes->routes.n, sizeof(*reply->routes));
	vec_each(struct netlink_route, route, &routes->routes)
		reply->routes[reply->n_routes++] = from_route(route);
	netlink_routes_release(routes);
	ttrpc_reply(call, reply);
	grpc__routes__free_unpacked(reply, NULL);
}

static int update_routes(const Grpc__Routes *want, struct netlink_routes *now, struct err *err)
{
	AUTO(mem) struct netlink_route *routes = NULL;

	if (!want)
		return err_set(err, E_INVALID, "the request has no routes");
	routes = xcalloc(want->n_routes, sizeof(*routes));
	for (size_t i = 0; i < want->n_routes; i++) {
		if (netmessage_read_route(want->routes[i], &routes[i], err) < 0)
			return -1;
	}
	return network_set_routes(routes, want->n_routes, now, err);
}

void on_update_routes(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateRoutesRequest *r = request;
	struct netlink_routes now;
	struct err err = ERR_INIT;

	(void)arg;
	if (update_routes(r->routes, &now, &err) < 0)
		ttrpc_fail(call, &err);
	else
		reply_routes(call, &now);
}

void on_list_routes(struct ttrpc_call *call, const void *request, void *arg)
{
	struct netlink_routes routes;
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	if (network_list_routes(&routes, &err) < 0)
		ttrpc_fail(call, &err);
	else
		reply_routes(call, &routes);
}

/* --- neighbours --- */

static int add_neighbours(const Grpc__ARPNeighbors *from, struct err *err)
{
	size_t n = from ? from->n_arpneighbors : 0;
	AUTO(mem) struct network_neighbour *list = xcalloc(n, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		list[i].device = from->arpneighbors[i]->device;
		if (netmessage_read_neighbour(from->arpneighbors[i], &list[i].neighbour, err) < 0)
			return -1;
	}
	return network_add_neighbours(list, n, err);
}

void on_add_arp_neighbors(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddARPNeighborsRequest *r = request;
	struct err err = ERR_INIT;

	(void)arg;
	answer(call, add_neighbours(r->neighbors, &err), &err);
}

/* --- packet filter --- */

void on_get_ip_tables(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__GetIPTablesRequest *r = request;
	Grpc__GetIPTablesResponse reply = GRPC__GET_IPTABLES_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(RULES_MAX);
	struct err err = ERR_INIT;

	(void)arg;
	if (iptables_save(r->is_ipv6, flow_deadline(call, RUN_MS), &out, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data.data = (uint8_t *)out.data;
	reply.data.len = out.len;
	ttrpc_reply(call, &reply);
}

void on_set_ip_tables(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SetIPTablesRequest *r = request;
	Grpc__SetIPTablesResponse reply = GRPC__SET_IPTABLES_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(RULES_MAX);
	struct err err = ERR_INIT;

	(void)arg;
	if (iptables_restore(r->is_ipv6, r->data.data, r->data.len, flow_deadline(call, RUN_MS),
			     &out, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data.data = (uint8_t *)out.data;
	reply.data.len = out.len;
	ttrpc_reply(call, &reply);
}
