// SPDX-License-Identifier: Apache-2.0
/* Finds the interfaces of a namespace that a guest gets, and what has changed of them. */

#include "network/endpoint.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "network/wire.h"

#include <linux/if_arp.h>
#include <stdio.h>

/* The kernel's names for kinds of links that can be connected with a VM, since they carry Ethernet
 * frames. "tun" is a tap of a program that provides a network (slirp4netns, pasta); or a tun, which
 * has no frames and is refused by its type. */
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

/* E_STATE if the interface has an ingress qdisc, which a connection with another VM uses. */
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

static bool is_named(const struct endpoints *e, const char *tap)
{
	vec_each(const struct endpoint, one, &e->list) {
		if (str_eq(one->tap, tap))
			return true;
	}
	return false;
}

/* Appends an endpoint for the link, whose addresses it takes over. */
static void add(struct endpoints *out, const char *model, struct netlink_link *link)
{
	struct endpoint e = {
		.link = *link, .wire = wire_for(model, link), .tap_fd = -1, .vhost_fd = -1
	};
	size_t n = 0;

	do
		(void)snprintf(e.tap, sizeof(e.tap), "tap%zu_kata", n++);
	while (is_named(out, e.tap));
	link->addresses = (__typeof__(link->addresses))VEC_INIT;
	vec_push(&out->list, e);
}

/* True for interfaces that the guest gets: those with an address. */
static bool is_wanted(const struct netlink_link *link)
{
	if (link->flags & IFF_LOOPBACK)
		return false;
	if (!link->addresses.n)
		log_debug("an interface without an address is not the guest's",
			  LOG_S("interface", link->name), LOG_S("kind", link->kind));
	return link->addresses.n > 0;
}

static int consider(struct netlink *nl, const char *model, struct netlink_link *link,
		    struct endpoints *out, struct err *err)
{
	if (!is_wanted(link))
		return 0;
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

/* --- rescan --- */

static bool has_address(const struct netlink_link *link, const struct netlink_address *a)
{
	vec_each(const struct netlink_address, one, &link->addresses) {
		if (one->family == a->family && one->prefix == a->prefix &&
		    str_eq(one->address, a->address))
			return true;
	}
	return false;
}

/* True if the two do not differ in what the guest gets of an interface. */
static bool is_same(const struct netlink_link *a, const struct netlink_link *b)
{
	if (!str_eq(a->name, b->name) || !str_eq(a->mac, b->mac) || a->mtu != b->mtu ||
	    ((a->flags ^ b->flags) & IFF_NOARP) || a->addresses.n != b->addresses.n)
		return false;
	vec_each(const struct netlink_address, one, &a->addresses) {
		if (!has_address(b, one))
			return false;
	}
	return true;
}

static struct endpoint *with_index(const struct endpoints *e, int index)
{
	vec_each(struct endpoint, one, &e->list) {
		if (one->link.index == index)
			return one;
	}
	return NULL;
}

/* Replaces the endpoint's link, whose addresses it takes over. One that has lost its addresses before
 * it was connected is not the guest's. */
static void update_link(struct endpoint *e, struct netlink_link *link)
{
	struct netlink_link old = e->link;

	e->gone = !e->connected && !e->skipped && !link->addresses.n;
	e->synced &= is_same(&e->link, link);
	e->link = *link;
	link->addresses = (__typeof__(link->addresses))VEC_INIT;
	netlink_link_release(&old);
}

/* An interface that was added while the VM runs. */
static void consider_new(struct netlink *nl, const char *model, struct netlink_link *link,
			 struct endpoints *e)
{
	struct err err = ERR_INIT;

	if (!is_wanted(link) || e->list.n >= ENDPOINTS_MAX)
		return;
	add(e, model, link);
	link = &e->list.v[e->list.n - 1].link;
	if (check_kind(link, &err) == 0 && check_free(nl, link, &err) == 0)
		return;
	log_err(LOG_WARN, &err, "the guest does not get an interface that has come");
	e->list.v[e->list.n - 1].skipped = true;
}

int endpoints_rescan(struct netlink *nl, const char *model, struct endpoints *e, struct err *err)
{
	struct netlink_links links;

	if (netlink_list_links(nl, &links, err) < 0)
		return -1;
	vec_each(struct endpoint, one, &e->list)
		one->gone = true;
	vec_each(struct netlink_link, link, &links.links) {
		struct endpoint *known = with_index(e, link->index);

		if (known)
			update_link(known, link);
		else
			consider_new(nl, model, link, e);
	}
	netlink_links_release(&links);
	return 0;
}

void endpoint_release(struct endpoint *e)
{
	netlink_link_release(&e->link);
	fd_close(&e->tap_fd);
	fd_close(&e->vhost_fd);
}

void endpoints_release(struct endpoints *e)
{
	vec_each(struct endpoint, one, &e->list)
		endpoint_release(one);
	vec_release(&e->list);
}
