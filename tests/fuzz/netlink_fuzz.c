// SPDX-License-Identifier: Apache-2.0
/* Datagrams of rtnetlink. Every message in them is given to all parsers. */

#include "netlink/netlink-internal.h"

#include "base/mem.h"
#include "base/scope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lists {
	struct netlink_links links;
	struct netlink_routes routes;
	struct netlink_neighbours neighbours;
};

static int take_any(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct lists *l = arg;

	if (nl_take_link(h, &l->links, err) < 0 || nl_take_address(h, &l->links, err) < 0)
		return -1;
	return nl_take_route(h, &l->routes, err) < 0 ||
			       nl_take_neighbour(h, &l->neighbours, err) < 0
		       ? -1
		       : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mem) uint8_t *copy = xmalloc(size + 1); /* aligned, as the real buffer is */
	struct lists l = { .links = { .links = VEC_INIT } };
	bool done = false, changed = false;
	struct err err = ERR_INIT;

	if (size > NL_ANSWER_MAX)
		return 0;
	if (size)
		memcpy(copy, data, size);
	(void)!nl_walk(copy, size, 1, take_any, &l, &done, &changed, &err);
	netlink_links_release(&l.links);
	netlink_routes_release(&l.routes);
	netlink_neighbours_release(&l.neighbours);
	return 0;
}
