// SPDX-License-Identifier: Apache-2.0
/* Token bucket filters on an endpoint's tap and interface. */

#include "network/limit.h"

#include <linux/if_ether.h>

enum {
	BURSTS_A_SECOND = 20, /* a burst has the bytes of 1/20 s */
	WAITS_A_SECOND = 10,  /* a frame waits 1/10 s at most, then it is dropped */
	FRAMES_IN_BURST = 2,  /* at least: the filter cuts larger segments into frames */
	FRAMES_IN_QUEUE = 16, /* at least */
};

/* bytes, but not less than least, and within what the kernel's 32-bit fields allow. */
static uint32_t at_least(uint64_t bytes, uint32_t least)
{
	if (bytes > UINT32_MAX / 4)
		return UINT32_MAX / 4;
	return bytes > least ? (uint32_t)bytes : least;
}

static int set(struct netlink *nl, int index, uint64_t bits, unsigned mtu, struct err *err)
{
	uint32_t frame = mtu + ETH_HLEN;
	struct netlink_bucket b = { .rate = bits / 8 ? bits / 8 : 1 };

	b.burst = at_least(b.rate / BURSTS_A_SECOND, FRAMES_IN_BURST * frame);
	b.queue = b.burst + at_least(b.rate / WAITS_A_SECOND, FRAMES_IN_QUEUE * frame);
	return bits ? netlink_add_bucket(nl, index, &b, err) : 0;
}

int limits_set(struct netlink *nl, const struct endpoint *e, const struct endpoint_limits *l,
	       struct err *err)
{
	return set(nl, e->tap_index, l->rx, e->link.mtu, err) < 0
		       ? -1
		       : set(nl, e->link.index, l->tx, e->link.mtu, err);
}

int limits_lift(struct netlink *nl, const char *interface, struct err *err)
{
	struct netlink_link link;
	int result;

	if (netlink_find_link(nl, interface, NULL, &link, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	result = netlink_drop_bucket(nl, link.index, err);
	netlink_link_release(&link);
	return result;
}
