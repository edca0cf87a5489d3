// SPDX-License-Identifier: Apache-2.0
/* Routes of the main table, and neighbours. */

#include "netlink/netlink-internal.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

enum { TRIES = 8 };

static size_t family_len(int family)
{
	return family == AF_INET ? 4 : 16;
}

static void take_address(int family, const struct nlattr *a, char *to)
{
	const void *data = nl_data(a, family_len(family));

	if (!data || !inet_ntop(family, data, to, INET6_ADDRSTRLEN))
		to[0] = '\0';
}

/* The gateway of an IPv4 route may have an IPv6 address ("via inet6"); it is another attribute. */
static void take_gateway(int family, const struct nlattr *gateway, const struct nlattr *via,
			 char *to)
{
	const struct rtvia *other = nl_data(via, sizeof(*other));
	const void *data;

	take_address(family, gateway, to);
	if (!other)
		return;
	data = nl_data(via, sizeof(*other) + family_len(other->rtvia_family));
	if (!data || !inet_ntop(other->rtvia_family, other->rtvia_addr, to, INET6_ADDRSTRLEN))
		to[0] = '\0';
}

static unsigned take_mtu(const struct nlattr *metrics)
{
	const struct nlattr *inner[RTAX_MTU + 1];

	if (!metrics)
		return 0;
	nl_attrs((const uint8_t *)metrics + NLA_HDRLEN, metrics->nla_len - NLA_HDRLEN, inner,
		 RTAX_MTU);
	return nl_u32(inner[RTAX_MTU]);
}

static void take_device(uint32_t index, char name[IFNAMSIZ])
{
	if (index == 0 || !if_indextoname(index, name))
		name[0] = '\0';
}

/* The kernel lists the next hop of an object (RTA_NH_ID) too, unless net.ipv4.nexthop_compat_mode is
 * 0. */
static const char *take_beyond(const struct rtmsg *info, const struct nlattr *const *a)
{
	if (a[RTA_MULTIPATH])
		return "several next hops";
	if (a[RTA_ENCAP])
		return "an encapsulation";
	if (info->rtm_src_len)
		return "a source prefix";
	if (info->rtm_tos)
		return "a type of service";
	return a[RTA_NH_ID] && !a[RTA_OIF] ? "a next hop object" : NULL;
}

int nl_take_route(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct netlink_routes *out = arg;
	const struct rtmsg *info = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	const struct nlattr *a[RTA_NH_ID + 1];
	struct netlink_route route = { .family = 0 };
	char dest[INET6_ADDRSTRLEN];

	(void)err;
	if (h->nlmsg_type != RTM_NEWROUTE ||
	    !nl_body_attrs(h, sizeof(*info), a, ARRAY_LEN(a) - 1) ||
	    info->rtm_type != RTN_UNICAST || (info->rtm_flags & RTM_F_CLONED) ||
	    (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) ||
	    (a[RTA_TABLE] ? nl_u32(a[RTA_TABLE]) : info->rtm_table) != RT_TABLE_MAIN)
		return 0;
	route.family = info->rtm_family;
	route.scope = info->rtm_scope;
	route.protocol = info->rtm_protocol;
	route.flags = info->rtm_flags;
	route.mtu = take_mtu(a[RTA_METRICS]);
	route.metric = nl_u32(a[RTA_PRIORITY]);
	take_address(route.family, a[RTA_DST], dest);
	if (*dest && str_print(route.dest, sizeof(route.dest), "%s/%u", dest,
			       (unsigned)info->rtm_dst_len) < 0)
		return 0;
	take_gateway(route.family, a[RTA_GATEWAY], a[RTA_VIA], route.gateway);
	take_address(route.family, a[RTA_PREFSRC], route.source);
	take_device(nl_u32(a[RTA_OIF]), route.device);
	route.beyond = take_beyond(info, a);
	vec_push(&out->routes, route);
	return 0;
}

int netlink_list_routes(struct netlink *nl, struct netlink_routes *out, struct err *err)
{
	struct rtmsg all = { .rtm_family = AF_UNSPEC };
	struct nl_request r;

	for (int i = 0; i < TRIES; i++) {
		int result;

		*out = (struct netlink_routes){ .routes = VEC_INIT };
		nl_begin(&r, RTM_GETROUTE, 0, &all, sizeof(all));
		result = nl_dump(nl, &r, nl_take_route, out, err);
		if (result == 0)
			return 0;
		netlink_routes_release(out);
		if (result < 0)
			return err_wrap(err, "list routes");
	}
	return err_set(err, E_STATE, "the routes change faster than they can be listed");
}

void netlink_routes_release(struct netlink_routes *routes)
{
	vec_release(&routes->routes);
}

/* "10.0.0.0/24", a host without a prefix, or "" for everything. */
static int put_dest(struct nl_request *r, struct rtmsg *info, const char *dest, struct err *err)
{
	AUTO(str) char *address = xstrdup(dest);
	char *slash = strchr(address, '/');
	uint8_t data[16];
	uint64_t bits;
	size_t len;

	if (!*dest)
		return 0;
	if (slash)
		*slash = '\0';
	if (nl_parse_address(info->rtm_family, address, data, &len, err) < 0)
		return -1;
	bits = len * 8;
	if (slash && str_u64(slash + 1, 10, 0, len * 8, "prefix length", &bits, err) < 0)
		return -1;
	info->rtm_dst_len = (uint8_t)bits;
	if (bits)
		nl_attr(r, RTA_DST, data, len);
	return 0;
}

static int put_address(struct nl_request *r, int family, uint16_t type, const char *text,
		       struct err *err)
{
	uint8_t data[16];
	size_t len;

	if (!*text)
		return 0;
	if (nl_parse_address(family, text, data, &len, err) < 0)
		return -1;
	nl_attr(r, type, data, len);
	return 0;
}

/* IPv6 routes have no gateways of IPv4. */
static int put_gateway(struct nl_request *r, const struct netlink_route *route, struct err *err)
{
	const struct rtvia head = { .rtvia_family = AF_INET6 };
	uint8_t via[sizeof(head) + 16];
	size_t len;

	if (route->family != AF_INET || !strchr(route->gateway, ':'))
		return put_address(r, route->family, RTA_GATEWAY, route->gateway, err);
	if (nl_parse_address(AF_INET6, route->gateway, via + sizeof(head), &len, err) < 0)
		return -1;
	memcpy(via, &head, sizeof(head));
	nl_attr(r, RTA_VIA, via, sizeof(via));
	return 0;
}

static int put_device(struct nl_request *r, const char *device, struct err *err)
{
	unsigned index = if_nametoindex(device);

	if (!*device)
		return 0;
	if (!index)
		return err_set(err, E_NOT_FOUND, "there is no link named %s", device);
	nl_attr_u32(r, RTA_OIF, index);
	return 0;
}

static void put_mtu(struct nl_request *r, unsigned mtu)
{
	struct nlattr head = { .nla_type = RTAX_MTU, .nla_len = NLA_HDRLEN + sizeof(uint32_t) };
	uint8_t nested[NLA_HDRLEN + sizeof(uint32_t)];
	uint32_t value = mtu;

	if (!mtu)
		return;
	memcpy(nested, &head, sizeof(head));
	memcpy(nested + NLA_HDRLEN, &value, sizeof(value));
	nl_attr(r, RTA_METRICS, nested, sizeof(nested));
}

static int route_request(struct nl_request *r, uint16_t type, uint16_t flags,
			 const struct netlink_route *route, struct err *err)
{
	struct rtmsg info = { .rtm_family = (uint8_t)route->family,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_scope = (uint8_t)route->scope,
			      .rtm_type = RTN_UNICAST };

	if (type == RTM_NEWROUTE) {
		info.rtm_protocol = RTPROT_BOOT;
		info.rtm_flags = route->flags & RTNH_F_ONLINK;
	}
	nl_begin(r, type, flags, &info, sizeof(info));
	if (put_dest(r, &info, route->dest, err) < 0 || put_gateway(r, route, err) < 0 ||
	    put_address(r, route->family, RTA_PREFSRC, route->source, err) < 0 ||
	    put_device(r, route->device, err) < 0)
		return -1;
	if (type == RTM_NEWROUTE)
		put_mtu(r, route->mtu);
	if (route->metric)
		nl_attr_u32(r, RTA_PRIORITY, route->metric);
	memcpy(r->bytes + NLMSG_HDRLEN, &info, sizeof(info)); /* with the prefix length */
	return 0;
}

static int change_route(struct netlink *nl, uint16_t type, uint16_t flags,
			const struct netlink_route *route, int harmless, struct err *err)
{
	struct nl_request r;
	bool known = route_request(&r, type, flags, route, err) == 0;

	if (known && nl_talk(nl, &r, err) == 0)
		return 0;
	if (known && harmless && err->sys == harmless) {
		err_clear(err);
		return 0;
	}
	return err_wrap(err, "%s route to %s", type == RTM_NEWROUTE ? "add" : "remove",
			*route->dest ? route->dest : "default");
}

int netlink_add_route(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
	return change_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, EEXIST, err);
}

int netlink_drop_route(struct netlink *nl, const struct netlink_route *route, struct err *err)
{
	return change_route(nl, RTM_DELROUTE, 0, route, 0, err);
}

/* --- neighbours --- */

int nl_take_neighbour(const struct nlmsghdr *h, void *arg, struct err *err)
{
	const struct ndmsg *info = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	const struct nlattr *a[NDA_LLADDR + 1];
	struct netlink_neighbours *out = arg;
	struct netlink_neighbour n = { .index = 0 };

	(void)err;
	if (h->nlmsg_type != RTM_NEWNEIGH ||
	    !nl_body_attrs(h, sizeof(*info), a, ARRAY_LEN(a) - 1) ||
	    !(info->ndm_state & NUD_PERMANENT) ||
	    (info->ndm_family != AF_INET && info->ndm_family != AF_INET6))
		return 0;
	n.index = info->ndm_ifindex;
	n.family = info->ndm_family;
	n.state = info->ndm_state;
	n.flags = info->ndm_flags;
	take_address(n.family, a[NDA_DST], n.address);
	nl_take_mac(a[NDA_LLADDR], n.mac);
	if (*n.address && *n.mac)
		vec_push(&out->neighbours, n);
	return 0;
}

int netlink_list_neighbours(struct netlink *nl, struct netlink_neighbours *out, struct err *err)
{
	struct ndmsg all = { .ndm_family = AF_UNSPEC };
	struct nl_request r;

	for (int i = 0; i < TRIES; i++) {
		int result;

		*out = (struct netlink_neighbours){ .neighbours = VEC_INIT };
		nl_begin(&r, RTM_GETNEIGH, 0, &all, sizeof(all));
		result = nl_dump(nl, &r, nl_take_neighbour, out, err);
		if (result == 0)
			return 0;
		netlink_neighbours_release(out);
		if (result < 0)
			return err_wrap(err, "list neighbours");
	}
	return err_set(err, E_STATE, "the neighbours change faster than they can be listed");
}

void netlink_neighbours_release(struct netlink_neighbours *neighbours)
{
	vec_release(&neighbours->neighbours);
}

int netlink_add_neighbour(struct netlink *nl, const struct netlink_neighbour *n, struct err *err)
{
	struct ndmsg info = { .ndm_family = (uint8_t)n->family,
			      .ndm_ifindex = n->index,
			      .ndm_state = (uint16_t)n->state,
			      .ndm_flags = (uint8_t)n->flags };
	struct nl_request r;
	uint8_t address[16], mac[6];
	size_t len;

	if (nl_parse_address(n->family, n->address, address, &len, err) < 0 ||
	    nl_parse_mac(n->mac, mac, err) < 0)
		return -1;
	nl_begin(&r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	nl_attr(&r, NDA_DST, address, len);
	nl_attr(&r, NDA_LLADDR, mac, sizeof(mac));
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "add neighbour %s", n->address) : 0;
}
