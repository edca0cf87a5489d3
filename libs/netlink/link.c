// SPDX-License-Identifier: Apache-2.0
/* Links and their addresses. */

#include "netlink/netlink-internal.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { TRIES = 8 };

void nl_take_mac(const struct nlattr *a, char mac[18])
{
	const uint8_t *m = nl_data(a, 6);

	mac[0] = '\0';
	if (m && a->nla_len == NLA_HDRLEN + 6)
		(void)snprintf(mac, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			       m[4], m[5]);
}

int nl_take_link(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct netlink_links *out = arg;
	const struct ifinfomsg *info = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	const struct nlattr *a[IFLA_LINKINFO + 1], *inner[IFLA_INFO_KIND + 1];
	struct netlink_link link = { .index = 0 };

	(void)err;
	if (h->nlmsg_type != RTM_NEWLINK || !nl_body_attrs(h, sizeof(*info), a, ARRAY_LEN(a) - 1))
		return 0;
	link.index = info->ifi_index;
	link.flags = info->ifi_flags;
	link.type = info->ifi_type;
	link.mtu = nl_u32(a[IFLA_MTU]);
	nl_text(a[IFLA_IFNAME], link.name, sizeof(link.name));
	nl_take_mac(a[IFLA_ADDRESS], link.mac);
	if (a[IFLA_LINKINFO]) {
		nl_attrs((const uint8_t *)a[IFLA_LINKINFO] + NLA_HDRLEN,
			 a[IFLA_LINKINFO]->nla_len - NLA_HDRLEN, inner, ARRAY_LEN(inner) - 1);
		nl_text(inner[IFLA_INFO_KIND], link.kind, sizeof(link.kind));
	}
	vec_push(&out->links, link);
	return 0;
}

int nl_take_address(const struct nlmsghdr *h, void *arg, struct err *err)
{
	struct netlink_links *out = arg;
	const struct ifaddrmsg *info = (const void *)((const uint8_t *)h + NLMSG_HDRLEN);
	const struct nlattr *a[IFA_LOCAL + 1];
	struct netlink_address address;
	const void *data;

	(void)err;
	if (h->nlmsg_type != RTM_NEWADDR || !nl_body_attrs(h, sizeof(*info), a, ARRAY_LEN(a) - 1) ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return 0;
	/* IFA_ADDRESS is the peer's on point-to-point links; IFA_LOCAL is always ours. */
	data = nl_data(a[a[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS],
		       info->ifa_family == AF_INET ? 4 : 16);
	if (!data)
		return 0;
	address.family = info->ifa_family;
	address.prefix = info->ifa_prefixlen;
	if (!inet_ntop(address.family, data, address.address, sizeof(address.address)))
		return 0;
	vec_each(struct netlink_link, link, &out->links) {
		if ((unsigned)link->index == info->ifa_index)
			vec_push(&link->addresses, address);
	}
	return 0;
}

static int list_once(struct netlink *nl, struct netlink_links *out, struct err *err)
{
	struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	struct ifaddrmsg addresses = { .ifa_family = AF_UNSPEC };
	struct nl_request r;
	int changed, result;

	nl_begin(&r, RTM_GETLINK, 0, &links, sizeof(links));
	changed = nl_dump(nl, &r, nl_take_link, out, err);
	if (changed < 0)
		return err_wrap(err, "list links");
	nl_begin(&r, RTM_GETADDR, 0, &addresses, sizeof(addresses));
	result = nl_dump(nl, &r, nl_take_address, out, err);
	return result < 0 ? err_wrap(err, "list addresses") : changed | result;
}

int netlink_list_links(struct netlink *nl, struct netlink_links *out, struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		int result;

		*out = (struct netlink_links){ .links = VEC_INIT };
		result = list_once(nl, out, err);
		if (result == 0)
			return 0;
		netlink_links_release(out);
		if (result < 0)
			return -1;
	}
	return err_set(err, E_STATE, "the links change faster than they can be listed");
}

void netlink_link_release(struct netlink_link *link)
{
	vec_release(&link->addresses);
}

void netlink_links_release(struct netlink_links *links)
{
	vec_each(struct netlink_link, link, &links->links)
		netlink_link_release(link);
	vec_release(&links->links);
}

int netlink_find_link(struct netlink *nl, const char *name, const char *mac,
		      struct netlink_link *out, struct err *err)
{
	struct netlink_links all;
	bool found = false;

	if (netlink_list_links(nl, &all, err) < 0)
		return -1;
	vec_each(struct netlink_link, link, &all.links) {
		if (found || (!str_empty(name) && !str_eq(link->name, name)) ||
		    (!str_empty(mac) && strcasecmp(link->mac, mac) != 0))
			continue;
		*out = *link;
		link->addresses = (__typeof__(link->addresses))VEC_INIT; /* moved to out */
		found = true;
	}
	netlink_links_release(&all);
	if (found)
		return 0;
	return err_set(err, E_NOT_FOUND, "there is no link %s%.64s%s%.64s",
		       str_empty(name) ? "" : "named ", str_empty(name) ? "" : name,
		       str_empty(mac) ? "" : "with hardware address ", str_empty(mac) ? "" : mac);
}

/* --- changes --- */

int netlink_set_flags(struct netlink *nl, int index, unsigned flags, unsigned mask, struct err *err)
{
	struct ifinfomsg info = { .ifi_index = index, .ifi_flags = flags, .ifi_change = mask };
	struct nl_request r;

	nl_begin(&r, RTM_NEWLINK, 0, &info, sizeof(info));
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "set flags of link %d", index) : 0;
}

int netlink_set_up(struct netlink *nl, int index, bool up, struct err *err)
{
	return netlink_set_flags(nl, index, up ? IFF_UP : 0, IFF_UP, err);
}

int netlink_set_mtu(struct netlink *nl, int index, unsigned mtu, struct err *err)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_request r;

	nl_begin(&r, RTM_NEWLINK, 0, &info, sizeof(info));
	nl_attr_u32(&r, IFLA_MTU, mtu);
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "set MTU %u of link %d", mtu, index) : 0;
}

int netlink_set_mac(struct netlink *nl, int index, const char *mac, struct err *err)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_request r;
	uint8_t bytes[6];

	if (nl_parse_mac(mac, bytes, err) < 0)
		return -1;
	nl_begin(&r, RTM_NEWLINK, 0, &info, sizeof(info));
	nl_attr(&r, IFLA_ADDRESS, bytes, sizeof(bytes));
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "give link %d the address %s", index, mac)
					: 0;
}

int netlink_set_name(struct netlink *nl, int index, const char *name, struct err *err)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_request r;

	if (str_empty(name) || strnlen(name, IFNAMSIZ) == IFNAMSIZ)
		return err_set(err, E_INVALID, "'%.64s' is not a link name", name ? name : "");
	nl_begin(&r, RTM_NEWLINK, 0, &info, sizeof(info));
	nl_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	return nl_talk(nl, &r, err) < 0 ? err_wrap(err, "name link %d %s", index, name) : 0;
}

int netlink_keep_quiet(struct netlink *nl, int index, struct err *err)
{
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_request r;
	size_t families, v6;

	nl_begin(&r, RTM_NEWLINK, 0, &info, sizeof(info));
	families = nl_nest(&r, IFLA_AF_SPEC);
	v6 = nl_nest(&r, AF_INET6);
	nl_attr(&r, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nl_nest_end(&r, v6);
	nl_nest_end(&r, families);
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	if (err->sys != EAFNOSUPPORT)
		return err_wrap(err, "keep link %d from making addresses", index);
	err_clear(err);
	return 0;
}

int netlink_add_macvtap(struct netlink *nl, const char *name, int below, struct err *err)
{
	static const char kind[] = "macvtap";
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_request r;
	size_t what, data;

	nl_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	nl_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	nl_attr_u32(&r, IFLA_LINK, (uint32_t)below);
	what = nl_nest(&r, IFLA_LINKINFO);
	nl_attr(&r, IFLA_INFO_KIND, kind, sizeof(kind));
	data = nl_nest(&r, IFLA_INFO_DATA);
	nl_attr_u32(&r, IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
	nl_nest_end(&r, data);
	nl_nest_end(&r, what);
	return nl_talk(nl, &r, err) < 0
		       ? err_wrap(err, "add the macvtap %s above link %d", name, below)
		       : 0;
}

int netlink_drop_link(struct netlink *nl, int index, struct err *err)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_request r;

	nl_begin(&r, RTM_DELLINK, 0, &info, sizeof(info));
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	if (err->sys != ENODEV)
		return err_wrap(err, "remove link %d", index);
	err_clear(err);
	return 0;
}

/* The broadcast address, which the kernel does not set itself: programs ask the interface for it. */
static void put_broadcast(struct nl_request *r, const uint8_t address[4], unsigned prefix)
{
	uint8_t all[4];

	if (prefix > 30) /* there is none */
		return;
	memcpy(all, address, sizeof(all));
	for (unsigned bit = prefix; bit < 32; bit++)
		all[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	nl_attr(r, IFA_BROADCAST, all, sizeof(all));
}

static int change_address(struct netlink *nl, uint16_t type, uint16_t flags, int index,
			  const struct netlink_address *a, int harmless, struct err *err)
{
	struct ifaddrmsg info = { .ifa_family = (uint8_t)a->family,
				  .ifa_prefixlen = (uint8_t)a->prefix,
				  .ifa_index = (unsigned)index };
	struct nl_request r;
	uint8_t data[16];
	size_t len;

	if (nl_parse_address(a->family, a->address, data, &len, err) < 0)
		return -1;
	if (a->prefix > len * 8)
		return err_set(err, E_INVALID, "prefix /%u of %s", a->prefix, a->address);
	if (a->family == AF_INET6 && type == RTM_NEWADDR)
		info.ifa_flags = IFA_F_NODAD; /* usable at once, without duplicate address
					       * detection */
	nl_begin(&r, type, flags, &info, sizeof(info));
	nl_attr(&r, IFA_LOCAL, data, len);
	nl_attr(&r, IFA_ADDRESS, data, len);
	if (a->family == AF_INET && type == RTM_NEWADDR)
		put_broadcast(&r, data, a->prefix);
	if (nl_talk(nl, &r, err) == 0)
		return 0;
	if (err->sys != harmless)
		return err_wrap(err, "%s address %s/%u of link %d",
				type == RTM_NEWADDR ? "add" : "remove", a->address, a->prefix,
				index);
	err_clear(err);
	return 0;
}

int netlink_add_address(struct netlink *nl, int index, const struct netlink_address *a,
			struct err *err)
{
	return change_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, a, EEXIST, err);
}

int netlink_drop_address(struct netlink *nl, int index, const struct netlink_address *a,
			 struct err *err)
{
	return change_address(nl, RTM_DELADDR, 0, index, a, EADDRNOTAVAIL, err);
}
