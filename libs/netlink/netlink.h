// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * rtnetlink: the links, addresses, routes, neighbours and redirections of the network namespace in which the
 * handle was opened. Requests are blocking and short; a handle belongs to one thread at a time.
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
 * A socket that is readable when links, addresses, routes or neighbours of the namespace that it was opened in
 * have changed; what has changed must be looked up. However much happens, its queue is small, and what does not
 * fit only counts as a change. Non-blocking; close it with fd_close().
 */
MUST_CHECK int netlink_watch(struct err *err);
/* Takes what is queued. */
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

MUST_CHECK int netlink_list_links(struct netlink *nl, struct netlink_links *out, struct err *err);
void netlink_links_release(struct netlink_links *links);
/* E_NOT_FOUND if there is none. mac is compared without case. Release with netlink_link_release. */
MUST_CHECK int netlink_find_link(struct netlink *nl, const char *name, const char *mac,
				 struct netlink_link *out, struct err *err);
void netlink_link_release(struct netlink_link *link);

MUST_CHECK int netlink_set_up(struct netlink *nl, int index, bool up, struct err *err);
MUST_CHECK int netlink_set_mtu(struct netlink *nl, int index, unsigned mtu, struct err *err);
MUST_CHECK int netlink_set_name(struct netlink *nl, int index, const char *name, struct err *err);
MUST_CHECK int netlink_set_flags(struct netlink *nl, int index, unsigned flags, unsigned mask,
				 struct err *err);
/* The link makes no IPv6 address of its own when it comes up; a kernel without IPv6 does not either. */
MUST_CHECK int netlink_keep_quiet(struct netlink *nl, int index, struct err *err);
/* A character device (macvtap) which takes over what the link below it receives and sends, with its hardware
 * address and MTU: mode "passthru". Below a veth; E_EXISTS: there is a link of that name. */
MUST_CHECK int netlink_add_macvtap(struct netlink *nl, const char *name, int below,
				   struct err *err);
/* A link that has gone is success. */
MUST_CHECK int netlink_drop_link(struct netlink *nl, int index, struct err *err);
/* Adding an existing address and removing a missing one succeed. */
MUST_CHECK int netlink_add_address(struct netlink *nl, int index, const struct netlink_address *a,
				   struct err *err);
MUST_CHECK int netlink_drop_address(struct netlink *nl, int index, const struct netlink_address *a,
				    struct err *err);

struct netlink_route {
	int family;
	char dest[INET6_ADDRSTRLEN + 4];      /* "10.0.0.0/24", "" for the default route */
	char gateway[INET6_ADDRSTRLEN];       /* or "" */
	char source[INET6_ADDRSTRLEN];        /* preferred source, or "" */
	char device[IFNAMSIZ];                /* or "" */
	unsigned scope, protocol, flags, mtu; /* RT_SCOPE_*, RTPROT_*, RTNH_F_* */
	uint32_t metric;                      /* 0: the kernel's choice */
};

struct netlink_routes {
	VEC(struct netlink_route) routes;
};

/* Unicast routes of the main table, both families. */
MUST_CHECK int netlink_list_routes(struct netlink *nl, struct netlink_routes *out, struct err *err);
void netlink_routes_release(struct netlink_routes *routes);
/* Main table, type unicast, protocol boot. An equal route that exists is success. */
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

/* The permanent ones of every link, both families. */
MUST_CHECK int netlink_list_neighbours(struct netlink *nl, struct netlink_neighbours *out,
				       struct err *err);
void netlink_neighbours_release(struct netlink_neighbours *neighbours);
/* Creates or replaces. */
MUST_CHECK int netlink_add_neighbour(struct netlink *nl, const struct netlink_neighbour *n,
				     struct err *err);

/*
 * Two links become one wire: each gets an ingress qdisc, and everything that arrives at one is sent
 * out at the other.
 */
MUST_CHECK int netlink_has_ingress(struct netlink *nl, int index, bool *out, struct err *err);
/* Fails if there is one. */
MUST_CHECK int netlink_add_ingress(struct netlink *nl, int index, struct err *err);
/* With its filters; none is success. */
MUST_CHECK int netlink_drop_ingress(struct netlink *nl, int index, struct err *err);
/* By the first classifier that the kernel has; from has an ingress qdisc. */
MUST_CHECK int netlink_redirect(struct netlink *nl, int from, int to, struct err *err);

/*
 * What leaves by a link is limited to a rate: a token bucket (tbf) as its root qdisc, with our handle, by
 * which it is known again.
 */
struct netlink_bucket {
	uint64_t rate;  /* bytes a second, > 0 */
	uint32_t burst; /* bytes that may go at once: at least a frame */
	uint32_t queue; /* bytes that wait; more are dropped */
};

/* Fails if the link has a qdisc of somebody's as its root. */
MUST_CHECK int netlink_add_bucket(struct netlink *nl, int index, const struct netlink_bucket *b,
				  struct err *err);
/* None, or somebody else's, is success. */
MUST_CHECK int netlink_drop_bucket(struct netlink *nl, int index, struct err *err);
