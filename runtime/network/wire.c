// SPDX-License-Identifier: Apache-2.0
/* Chooses the wire for an interface, and has what both models need. */

#include "network/wire.h"

#include "base/str.h"

static const struct wire *const wires[] = { &wire_tcfilter, &wire_macvtap };

const struct wire *wire_named(const char *model)
{
	for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
		if (str_eq(wires[i]->model, model))
			return wires[i];
	}
	return NULL;
}

const struct wire *wire_for(const char *model, const struct netlink_link *link)
{
	return str_eq(model, wire_macvtap.model) && str_eq(link->kind, "veth") ? &wire_macvtap
									       : &wire_tcfilter;
}

int wire_drop_link(struct netlink *nl, const char *name, const char *kind, struct err *err)
{
	struct netlink_link link;
	int result = 0;

	if (netlink_find_link(nl, name, NULL, &link, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (str_eq(link.kind, kind))
		result = netlink_drop_link(nl, link.index, err);
	netlink_link_release(&link);
	return result;
}

int wire_set_up(struct netlink *nl, const struct netlink_link *link, struct err *err)
{
	return link->flags & IFF_UP ? 0 : netlink_set_up(nl, link->index, true, err);
}
