// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/suite.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "netmessage/netmessage.h"

#include <check.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

static struct err err;

static void setup(void)
{
	err_clear(&err);
}

static void release(ProtobufCMessage *m)
{
	protobuf_c_message_free_unpacked(m, NULL);
}

START_TEST(a_link_and_its_addresses)
{
	static const struct netlink_address has[] = { { AF_INET, "10.0.0.2", 24 },
						      { AF_INET6, "fe80::1", 64 } };
	struct netlink_link link = { .name = "eth0",
				     .mac = "02:00:00:00:00:01",
				     .kind = "veth",
				     .mtu = 1400,
				     .flags = IFF_NOARP };
	struct netlink_address back;
	Types__Interface *m;

	for (size_t i = 0; i < ARRAY_LEN(has); i++)
		vec_push(&link.addresses, has[i]);
	m = netmessage_interface(&link);
	ck_assert_str_eq(m->name, "eth0");
	ck_assert_str_eq(m->device, "eth0");
	ck_assert_str_eq(m->hwaddr, link.mac);
	ck_assert_str_eq(m->type, "veth");
	ck_assert_uint_eq(m->mtu, 1400);
	ck_assert_uint_eq(m->raw_flags, IFF_NOARP);
	ck_assert_uint_eq(m->n_ipaddresses, ARRAY_LEN(has));
	for (size_t i = 0; i < ARRAY_LEN(has); i++) {
		ck_assert_int_eq(netmessage_read_address(m->ipaddresses[i], &back, &err), 0);
		ck_assert_int_eq(back.family, has[i].family);
		ck_assert_uint_eq(back.prefix, has[i].prefix);
		ck_assert_str_eq(back.address, has[i].address);
	}
	release(&m->base);
	vec_release(&link.addresses);
}
END_TEST

START_TEST(routes_go_there_and_back)
{
	static const struct netlink_route all[] = {
		{ AF_INET, "", "10.0.0.1", "", "eth0", 0, 0, 0, 0, 0, NULL },
		{ AF_INET6, "fd00::/8", "fe80::1", "fd00::2", "net1", 253, 0, 4, 1300, 512, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct netlink_route *r = &all[i];
		Types__Route *m = netmessage_route(r);
		struct netlink_route back;

		ck_assert_int_eq(netmessage_read_route(m, &back, &err), 0);
		ck_assert_int_eq(back.family, r->family);
		ck_assert_str_eq(back.dest, r->dest);
		ck_assert_str_eq(back.gateway, r->gateway);
		ck_assert_str_eq(back.source, r->source);
		ck_assert_str_eq(back.device, r->device);
		ck_assert_uint_eq(back.scope, r->scope);
		ck_assert_uint_eq(back.flags, r->flags);
		ck_assert_uint_eq(back.mtu, r->mtu);
		ck_assert_uint_eq(back.metric, r->metric);
		release(&m->base);
	}
}
END_TEST

START_TEST(neighbours_go_there_and_back)
{
	const struct netlink_neighbour n = { .family = AF_INET6,
					     .address = "fe80::9",
					     .mac = "02:00:00:00:00:09",
					     .flags = NTF_PROXY };
	Types__ARPNeighbor *m = netmessage_neighbour(&n, "eth0");
	struct netlink_neighbour back;

	ck_assert_str_eq(m->device, "eth0");
	ck_assert_int_eq(netmessage_read_neighbour(m, &back, &err), 0);
	ck_assert_int_eq(back.family, AF_INET6);
	ck_assert_str_eq(back.address, n.address);
	ck_assert_str_eq(back.mac, n.mac);
	ck_assert_uint_eq(back.flags, NTF_PROXY);
	ck_assert_uint_eq(back.state, NUD_PERMANENT); /* none was said */
	release(&m->base);
}
END_TEST

#define LONG "1234567890123456789012345678901234567890123456789012345678901234567890"

START_TEST(what_does_not_fit_is_refused)
{
	Types__IPAddress address = TYPES__IPADDRESS__INIT;
	Types__Route route = TYPES__ROUTE__INIT;
	Types__ARPNeighbor neighbour = TYPES__ARPNEIGHBOR__INIT;
	struct netlink_address a;
	struct netlink_route r;
	struct netlink_neighbour n;

	address.mask = (char *)"129";
	ck_assert_int_eq(netmessage_read_address(&address, &a, &err), -1);
	err_clear(&err);
	address.mask = (char *)"24";
	address.address = (char *)LONG;
	ck_assert_int_eq(netmessage_read_address(&address, &a, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	err_clear(&err);
	route.scope = 256;
	ck_assert_int_eq(netmessage_read_route(&route, &r, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	err_clear(&err);
	route.scope = 0;
	route.device = (char *)LONG;
	ck_assert_int_eq(netmessage_read_route(&route, &r, &err), -1);
	err_clear(&err);
	ck_assert_int_eq(netmessage_read_neighbour(&neighbour, &n, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	err_clear(&err);
	neighbour.toipaddress = &address;
	ck_assert_int_eq(netmessage_read_neighbour(&neighbour, &n, &err), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netmessage");
	TCase *t = tcase_create("netmessage");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_link_and_its_addresses);
	tcase_add_test(t, routes_go_there_and_back);
	tcase_add_test(t, neighbours_go_there_and_back);
	tcase_add_test(t, what_does_not_fit_is_refused);
	suite_add_tcase(suite, t);
	return suite_run(suite);
}
