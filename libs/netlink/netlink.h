// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * rtnetlink: links, addresses, routes, neighbours and traffic control of the network namespace in
 * which the handle was opened. Requests block for a short time; one thread at a time may use a
 * handle.
 *
 * Addresses and prefixes are text as in ip(8): "10.0.0.2", "fe80::1". Errors name the object and
 * have the kernel's errno and, if there is one, its extended message.
 */

#include "base/err.h"
#include "base/vec.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct netlink;

MUST_CHECK int netlink_open(struct netlink **nl, struct err *err);
void netlink_close(struct netlink *nl);

/*
 * Returns a non-blocking socket that is readable when links, addresses, routes or neighbours of the
 * current network namespace have changed. It does not report what has changed: drain it, then list
 * them. Its queue is small; messages that do not fit count as a change too. Close it with
 * fd_close().
 */
MUST_CHECK int netlink_watch(struct err *err);
/* Discards the queued messages. */
void netlink_watch_drain(int fd);

struct netlink_address {
	int family; /* AF_INET, AF_INET6 */
	char address[INET6_ADDRSTRLEN];
	unsigned prefix; /* bits */
};

struct netlink_link {
	int index;
	char name[IFNAMSIZ];
	char mac[18];  /* "aa:bb:cc:dd:ee:ff", "" if it has none */
	char kind[16]; /* "veth", "tun", ... or "" */
	unsigned mtu;
	unsigned flags; /* IFF_* */
	unsigned type;  /* ARPHRD_* */
	VEC(struct netlink_address) addresses;
};

struct netlink_links {
	VEC(struct netlink_link) links;
};

/* All links with their addresses. The caller releases *out; on error it is empty. */
MUST_CHECK int netlink_list_links(struct netlink *nl, struct netlink_links *out, struct err *err);
void netlink_links_release(struct netlink_links *links);
/* The first link with this name and this hardware address (either may be NULL or "": any; case does
 * not matter in mac); E_NOT_FOUND if it does not exist. The caller releases *out with
 * netlink_link_release(). */
MUST_CHECK int netlink_find_link(struct netlink *nl, const char *name, const char *mac,
				 struct netlink_link *out, struct err *err);
void netlink_link_release(struct netlink_link *link);

MUST_CHECK int netlink_set_up(struct netlink *nl, int index, bool up, struct err *err);
MUST_CHECK int netlink_set_mtu(struct netlink *nl, int index, unsigned mtu, struct err *err);
MUST_CHECK int netlink_set_name(struct netlink *nl, int index, const char *name, struct err *err);
MUST_CHECK int netlink_set_mac(struct netlink *nl, int index, const char *mac, struct err *err);
MUST_CHECK int netlink_set_flags(struct netlink *nl, int index, unsigned flags, unsigned mask,
				 struct err *err);
/* Keeps the link from generating an IPv6 link-local address when it comes up. Success too if the
 * kernel has no IPv6. */
MUST_CHECK int netlink_keep_quiet(struct netlink *nl, int index, struct err *err);
/* Adds a macvtap in mode "passthru" on the link below, such as a veth: its character device
 * receives and sends in place of that link, with the link's hardware address and MTU. E_EXISTS if
 * the name is taken. */
MUST_CHECK int netlink_add_macvtap(struct netlink *nl, const char *name, int below,
				   struct err *err);
/* Removes a link; success if it no longer exists. */
MUST_CHECK int netlink_drop_link(struct netlink *nl, int index, struct err *err);
/* Adding an existing address and removing a missing one succeed. */
MUST_CHECK int netlink_add_address(struct netlink *nl, int index, const struct netlink_address *a,
				   struct err *err);
MUST_CHECK int netlink_drop_address(struct netlink *nl, int index, const struct netlink_address *a,
				    struct err *err);

struct netlink_route {
	int family;
	char dest[INET6_ADDRSTRLEN + 4];      /* "10.0.0.0/24", "" for the default route */
	char gateway[INET6_ADDRSTRLEN];       /* or ""; of an IPv4 route IPv6 too */
	char source[INET6_ADDRSTRLEN];        /* preferred source, or "" */
	char device[IFNAMSIZ];                /* or "" */
	unsigned scope, protocol, flags, mtu; /* RT_SCOPE_*, RTPROT_*, RTNH_F_* */
	uint32_t metric;                      /* 0: the kernel's choice */
	/* Of a listed route: what it has besides, as "several next hops", without which it would be
	 * another route; static, or NULL. */
	const char *beyond;
};

struct netlink_routes {
	VEC(struct netlink_route) routes;
};

/* Unicast routes of the main table, both families. */
MUST_CHECK int netlink_list_routes(struct netlink *nl, struct netlink_routes *out, struct err *err);
void netlink_routes_release(struct netlink_routes *routes);
/* Main table, type unicast, protocol boot; beyond is ignored. An equal route that exists is
 * success. */
MUST_CHECK int netlink_add_route(struct netlink *nl, const struct netlink_route *r,
				 struct err *err);
MUST_CHECK int netlink_drop_route(struct netlink *nl, const struct netlink_route *r,
				  struct err *err);

struct netlink_neighbour {
	int index;
	int family;
	char address[INET6_ADDRSTRLEN];
	char mac[18];
	unsigned state; /* NUD_* */
	unsigned flags; /* NTF_* */
};

struct netlink_neighbours {
	VEC(struct netlink_neighbour) neighbours;
};

/* The permanent neighbours of every link, both families. */
MUST_CHECK int netlink_list_neighbours(struct netlink *nl, struct netlink_neighbours *out,
				       struct err *err);
void netlink_neighbours_release(struct netlink_neighbours *neighbours);
/* Creates or replaces. */
MUST_CHECK int netlink_add_neighbour(struct netlink *nl, const struct netlink_neighbour *n,
				     struct err *err);

/*
 * To connect two links, each gets an ingress qdisc with a filter that redirects every packet
 * received by the one link to the output of the other.
 */
MUST_CHECK int netlink_has_ingress(struct netlink *nl, int index, bool *out, struct err *err);
/* E_EXISTS if the link has an ingress qdisc already. */
MUST_CHECK int netlink_add_ingress(struct netlink *nl, int index, struct err *err);
/* Removes the ingress qdisc with its filters; success if there is none. */
MUST_CHECK int netlink_drop_ingress(struct netlink *nl, int index, struct err *err);
/* Adds the filter to from, which has an ingress qdisc. Uses the first classifier that the kernel
 * has: matchall or u32. */
MUST_CHECK int netlink_redirect(struct netlink *nl, int from, int to, struct err *err);

/*
 * Limits the output of a link to a rate with a token bucket (tbf) as its root qdisc. A handle of
 * our own distinguishes it from the qdiscs of others.
 */
struct netlink_bucket {
	uint64_t rate;  /* bytes per second, > 0 */
	uint32_t burst; /* bytes that may be sent at once: at least a frame */
	uint32_t queue; /* bytes that may wait; more are dropped */
};

/* Fails if the link has a root qdisc that somebody else added. */
MUST_CHECK int netlink_add_bucket(struct netlink *nl, int index, const struct netlink_bucket *b,
				  struct err *err);
/* Removes our bucket; success if the root qdisc is not ours. */
MUST_CHECK int netlink_drop_bucket(struct netlink *nl, int index, struct err *err);
