// SPDX-License-Identifier: Apache-2.0
/* Which interfaces of a namespace a guest gets. */

#include "network/endpoint.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "network/wire.h"

#include <linux/if_arp.h>
#include <stdio.h>

/* What the kernel calls the kinds of links that carry Ethernet frames to and from somewhere, and so
 * can be connected with a tap; "tun" is a tap itself, which a program holds that is a network
 * (slirp4netns, pasta), or a tun, which has no frames. */
static const char *const connectable[] = { "veth", "macvlan", "ipvlan", "tun" };

static int check_kind(const struct netlink_link *link, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(connectable); i++) {
		if (str_eq(link->kind, connectable[i]) && link->type == ARPHRD_ETHER && *link->mac)
			return 0;
	}
	err_set(err, E_UNSUPPORTED, "interface %s: a %s%s%s cannot be given to a VM", link->name,
		*link->kind ? "device of kind '" : "physical device", link->kind,
		*link->kind ? "'" : "");
	return err_hint(err, "possible: veth, macvlan, ipvlan, tap; or give it no address");
}

/* Its qdisc is where a VM's wire begins. */
static int check_free(struct netlink *nl, const struct netlink_link *link, struct err *err)
{
	bool taken;

	if (netlink_has_ingress(nl, link->index, &taken, err) < 0)
		return err_wrap(err, "interface %s", link->name);
	if (!taken)
		return 0;
	err_set(err, E_STATE, "interface %s has an ingress qdisc", link->name);
	return err_hint(err,
			"a namespace belongs to one VM: remove the other one, or the qdisc "
			"(tc qdisc del dev %s ingress)",
			link->name);
}

/* Takes the link's addresses. */
static void add(struct endpoints *out, const char *model, struct netlink_link *link)
{
	struct endpoint e = {
		.link = *link, .wire = wire_for(model, link), .tap_fd = -1, .vhost_fd = -1
	};

	(void)snprintf(e.tap, sizeof(e.tap), "tap%zu_kata", out->list.n);
	link->addresses = (__typeof__(link->addresses))VEC_INIT;
	vec_push(&out->list, e);
}

static int consider(struct netlink *nl, const char *model, struct netlink_link *link,
		    struct endpoints *out, struct err *err)
{
	if (link->flags & IFF_LOOPBACK)
		return 0;
	if (!link->addresses.n) {
		log_debug("an interface without an address is not the guest's",
			  LOG_S("interface", link->name), LOG_S("kind", link->kind));
		return 0;
	}
	if (check_kind(link, err) < 0 || check_free(nl, link, err) < 0)
		return -1;
	add(out, model, link);
	return 0;
}

int endpoints_find(struct netlink *nl, const char *model, struct endpoints *out, struct err *err)
{
	struct netlink_links links;
	int result = 0;

	*out = (struct endpoints){ VEC_INIT };
	if (netlink_list_links(nl, &links, err) < 0)
		return -1;
	vec_each(struct netlink_link, link, &links.links) {
		if (result == 0)
			result = consider(nl, model, link, out, err);
	}
	netlink_links_release(&links);
	if (result < 0)
		endpoints_release(out);
	return result;
}

void endpoints_release(struct endpoints *e)
{
	vec_each(struct endpoint, one, &e->list) {
		netlink_link_release(&one->link);
		fd_close(&one->tap_fd);
		fd_close(&one->vhost_fd);
	}
	vec_release(&e->list);
}
