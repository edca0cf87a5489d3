// SPDX-License-Identifier: Apache-2.0
/*
 * Configures the guest's network as the runtime describes it. Links are identified by their
 * hardware address and, if several have the same one, by name.
 */

#include "agent/network.h"

#include "base/mem.h"
#include "base/str.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

DEFINE_AUTO(netlink, struct netlink *, NULL, netlink_close)

enum { LINK_LOOK_MS = 20 };

/* --- links --- */

/* How well a link fits the interface that is wanted, from not at all to best. */
enum fit { FIT_NOT, FIT_OTHER_NAME, FIT_UNUSED, FIT_NEW_NAME, FIT_NAME };

/*
 * Two cards can have the same hardware address, as the ipvlan interfaces of one parent have. So an
 * interface that is new takes a card that is not in use yet; one that the guest has is found by the
 * name that it has there. want->name as well as want->former is looked for, since an earlier request
 * may have had its effect.
 */
static enum fit fit_of(const struct netlink_link *link, const struct network_link *want)
{
	const char *former = str_empty(want->former) ? want->name : want->former;
	bool known = want->gone || !str_eq(former, want->name), up = link->flags & IFF_UP;

	if (strcasecmp(link->mac, want->mac) != 0)
		return FIT_NOT;
	if (str_eq(link->name, former) && (known || up))
		return FIT_NAME;
	if (str_eq(link->name, want->name) && up)
		return FIT_NEW_NAME;
	if (want->gone)
		return FIT_NOT;
	if (!up)
		return FIT_UNUSED;
	return known ? FIT_OTHER_NAME : FIT_NOT;
}

/* The link that fits best, with its addresses; of several the first. */
static int find_link(struct netlink *nl, const struct network_link *want, struct netlink_link *out,
		     struct err *err)
{
	struct netlink_link *best = NULL;
	struct netlink_links all;
	enum fit most = FIT_NOT;

	if (netlink_list_links(nl, &all, err) < 0)
		return -1;
	vec_each(struct netlink_link, link, &all.links) {
		enum fit fit = fit_of(link, want);

		if (fit > most) {
			most = fit;
			best = link;
		}
	}
	if (best) {
		*out = *best;
		best->addresses = (__typeof__(best->addresses))VEC_INIT; /* moved to out */
	}
	netlink_links_release(&all);
	return best ? 0
		    : err_set(err, E_NOT_FOUND,
			      "there is no link with hardware address %.64s that is its own",
			      want->mac);
}

/* Waits for a card that was just plugged in. */
static int await_link(struct netlink *nl, const struct network_link *want, struct deadline deadline,
		      struct netlink_link *out, struct err *err)
{
	if (str_empty(want->mac))
		return err_set(err, E_INVALID, "the interface has no hardware address");
	while (find_link(nl, want, out, err) < 0) {
		if (err->code != E_NOT_FOUND || deadline_passed(deadline))
			return -1;
		err_clear(err);
		(void)nanosleep(&(struct timespec){ .tv_nsec = LINK_LOOK_MS * 1000000L }, NULL);
	}
	return 0;
}

static int set_addresses(struct netlink *nl, const struct netlink_link *link,
			 const struct network_link *want, struct err *err)
{
	vec_each(struct netlink_address, old, &link->addresses) {
		if (netlink_drop_address(nl, link->index, old, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < want->n_addresses; i++) {
		if (netlink_add_address(nl, link->index, &want->addresses[i], err) < 0)
			return -1;
	}
	return 0;
}

/* Names the link. Another link may have the name, since the kernel numbers links in the order in
 * which it finds them; that one is renamed. */
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
		    const struct network_link *want, struct err *err)
{
	unsigned flags = IFF_UP | (want->flags & IFF_NOARP);

	if (netlink_set_up(nl, link->index, false, err) < 0 ||
	    set_name(nl, link, want->name, err) < 0 || set_addresses(nl, link, want, err) < 0 ||
	    (want->mtu && netlink_set_mtu(nl, link->index, want->mtu, err) < 0))
		return -1;
	return netlink_set_flags(nl, link->index, flags, IFF_UP | IFF_NOARP, err);
}

/* Takes from a card whose interface is gone what a later one may have: only a random address of its
 * own stays. The kernel removes the IPv6 addresses itself. */
static int retire(struct netlink *nl, const struct netlink_link *link,
		  const struct network_link *want, struct err *err)
{
	uint8_t r[5];
	char mac[18];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(err, "get random bytes");
	(void)snprintf(mac, sizeof(mac), "02:%02x:%02x:%02x:%02x:%02x", r[0], r[1], r[2], r[3],
		       r[4]);
	if (netlink_set_up(nl, link->index, false, err) < 0 ||
	    set_addresses(nl, link, want, err) < 0)
		return -1;
	return netlink_set_mac(nl, link->index, mac, err);
}

/* As await_link(). A card that is gone is not waited for: it was there before. Returns 1 if there
 * is none, since an earlier request has had its effect. */
static int find(struct netlink *nl, const struct network_link *want, struct deadline deadline,
		struct netlink_link *out, struct err *err)
{
	if (await_link(nl, want, want->gone ? deadline_in(0) : deadline, out, err) == 0)
		return 0;
	if (!want->gone || err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	return 1;
}

int network_set_link(const struct network_link *want, struct deadline deadline, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct netlink_link link;
	int result;

	if (netlink_open(&nl, err) < 0)
		return -1;
	result = find(nl, want, deadline, &link, err);
	if (result)
		return result < 0 ? -1 : 0;
	result = want->gone ? retire(nl, &link, want, err) : set_link(nl, &link, want, err);
	netlink_link_release(&link);
	return result < 0 ? err_wrap(err, "interface %.32s", want->name) : 0;
}

int network_list_links(struct netlink_links *out, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;

	return netlink_open(&nl, err) < 0 ? -1 : netlink_list_links(nl, out, err);
}

/* --- routes --- */

/* True for a route that the kernel made to the network of an address, directly over the link, if
 * the list has one to the same destination by a gateway (as CNI's ptp plugin makes it). IPv4 allows
 * only one of them, and IPv6 would prefer the kernel's. */
static bool is_wanted_by_gateway(const struct netlink_route *old, const struct netlink_route *want,
				 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (want[i].family == old->family && str_eq(want[i].dest, old->dest) &&
		    str_eq(want[i].device, old->device) && *want[i].gateway)
			return true;
	}
	return false;
}

/* True if the list has the very same route. It is not removed and added again, which would
 * interrupt connections. */
static bool is_wanted(const struct netlink_route *old, const struct netlink_route *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (want[i].family == old->family && str_eq(want[i].dest, old->dest) &&
		    str_eq(want[i].device, old->device) && str_eq(want[i].gateway, old->gateway) &&
		    str_eq(want[i].source, old->source) && want[i].scope == old->scope &&
		    ((want[i].flags ^ old->flags) & RTNH_F_ONLINK) == 0 &&
		    want[i].mtu == old->mtu && want[i].metric == old->metric)
			return true;
	}
	return false;
}

static int drop_routes(struct netlink *nl, const struct netlink_route *want, size_t n,
		       struct err *err)
{
	struct netlink_routes old;
	int result = 0;

	if (netlink_list_routes(nl, &old, err) < 0)
		return -1;
	vec_each(struct netlink_route, route, &old.routes) {
		struct err why = ERR_INIT;

		if (str_eq(route->device, "lo") || is_wanted(route, want, n) ||
		    route->protocol == RTPROT_RA ||
		    (route->protocol == RTPROT_KERNEL && !is_wanted_by_gateway(route, want, n)))
			continue;
		/* ESRCH: the kernel has removed it together with another one. */
		if (netlink_drop_route(nl, route, &why) < 0 && why.sys != ESRCH && result == 0) {
			*err = why;
			result = -1;
		}
	}
	netlink_routes_release(&old);
	return result;
}

/* Routes without a gateway first: gateways are reached by them. */
static int add_routes(struct netlink *nl, const struct netlink_route *want, size_t n,
		      struct err *err)
{
	for (int with_gateway = 0; with_gateway < 2; with_gateway++) {
		for (size_t i = 0; i < n; i++) {
			if ((*want[i].gateway != '\0') == with_gateway &&
			    netlink_add_route(nl, &want[i], err) < 0)
				return -1;
		}
	}
	return 0;
}

int network_set_routes(const struct netlink_route *want, size_t n, struct netlink_routes *now,
		       struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;

	if (netlink_open(&nl, err) < 0 || drop_routes(nl, want, n, err) < 0 ||
	    add_routes(nl, want, n, err) < 0)
		return -1;
	return netlink_list_routes(nl, now, err);
}

int network_list_routes(struct netlink_routes *out, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;

	return netlink_open(&nl, err) < 0 ? -1 : netlink_list_routes(nl, out, err);
}

/* --- neighbours --- */

static int add_neighbour(struct netlink *nl, const struct network_neighbour *want, struct err *err)
{
	struct netlink_neighbour n = want->neighbour;

	n.index = (int)if_nametoindex(want->device);
	if (!n.index)
		return err_set(err, E_NOT_FOUND, "there is no link named %.32s", want->device);
	return netlink_add_neighbour(nl, &n, err);
}

int network_add_neighbours(const struct network_neighbour *want, size_t n, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	int result = netlink_open(&nl, err);

	for (size_t i = 0; result == 0 && i < n; i++)
		result = add_neighbour(nl, &want[i], err);
	return result;
}
