// SPDX-License-Identifier: Apache-2.0
/* libs/netlink with the kernel, in a network namespace of its own. Needs root. */

#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/str.h"
#include "netlink/netlink.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fcntl.h>

static struct netlink *nl;
static int tap = -1;
static struct netlink_link link0;

static int make_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	memcpy(request.ifr_name, name, strlen(name) + 1);
	ck_assert(ioctl(fd, TUNSETIFF, &request) == 0);
	return fd;
}

static void setup(void)
{
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNET) == 0);
	tap = make_tap("test0");
	ck_assert_msg(netlink_open(&nl, &err) == 0, "%s", err.msg);
	ck_assert_msg(netlink_find_link(nl, "test0", NULL, &link0, &err) == 0, "%s", err.msg);
}

static void teardown(void)
{
	netlink_link_release(&link0);
	netlink_close(nl);
	fd_close(&tap);
}

#define must(call) ck_assert_msg((call) == 0, "%s", err.msg)

START_TEST(links_are_found_and_changed)
{
	struct netlink_address v4 = { AF_INET, "10.1.2.3", 24 };
	struct netlink_address v6 = { AF_INET6, "fd00::3", 64 };
	struct netlink_link found;
	struct err err = ERR_INIT;
	char upper[18];

	ck_assert_str_eq(link0.kind, "tun");
	ck_assert_uint_eq(strlen(link0.mac), 17);
	must(netlink_set_mtu(nl, link0.index, 1400, &err));
	must(netlink_set_name(nl, link0.index, "eth7", &err));
	must(netlink_set_up(nl, link0.index, true, &err));
	must(netlink_set_flags(nl, link0.index, IFF_NOARP, IFF_NOARP, &err));
	for (int twice = 0; twice < 2; twice++) {
		must(netlink_add_address(nl, link0.index, &v4, &err));
		must(netlink_add_address(nl, link0.index, &v6, &err));
	}
	for (size_t i = 0; i < sizeof(upper); i++)
		upper[i] = (char)(link0.mac[i] >= 'a' ? link0.mac[i] - 32 : link0.mac[i]);
	must(netlink_find_link(nl, NULL, upper, &found, &err));
	ck_assert_str_eq(found.name, "eth7");
	ck_assert_uint_eq(found.mtu, 1400);
	ck_assert((found.flags & IFF_UP) && (found.flags & IFF_NOARP));
	ck_assert_uint_ge(found.addresses.n, 2);
	ck_assert_str_eq(found.addresses.v[0].address, "10.1.2.3");
	ck_assert_uint_eq(found.addresses.v[0].prefix, 24);
	netlink_link_release(&found);
	for (int twice = 0; twice < 2; twice++)
		must(netlink_drop_address(nl, link0.index, &v4, &err));
}
END_TEST

/* As a network plugin of the host sets it. */
START_TEST(an_address_has_a_broadcast_address)
{
	static const struct {
		struct netlink_address address;
		const char *broadcast;
	} rows[] = { { { AF_INET, "10.1.2.3", 24 }, "10.1.2.255" },
		     { { AF_INET, "10.1.2.3", 21 }, "10.1.7.255" },
		     { { AF_INET, "10.1.2.3", 30 }, "10.1.2.3" },
		     { { AF_INET, "10.1.2.3", 31 }, "0.0.0.0" },
		     { { AF_INET, "10.1.2.3", 32 }, "0.0.0.0" } };
	AUTO(fd) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "test0" };
	struct sockaddr_in got;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		must(netlink_add_address(nl, link0.index, &rows[i].address, &err));
		ck_assert_int_eq(ioctl(sock, SIOCGIFBRDADDR, &request), 0);
		memcpy(&got, &request.ifr_broadaddr, sizeof(got));
		ck_assert_str_eq(inet_ntoa(got.sin_addr), rows[i].broadcast);
		must(netlink_drop_address(nl, link0.index, &rows[i].address, &err));
	}
}
END_TEST

START_TEST(routes_are_added_listed_and_dropped)
{
	struct netlink_address v4 = { AF_INET, "10.1.2.3", 24 };
	struct netlink_route all = { .family = AF_INET, .gateway = "10.1.2.1", .device = "test0" };
	struct netlink_route net = { .family = AF_INET,
				     .dest = "192.168.0.0/16",
				     .device = "test0",
				     .scope = RT_SCOPE_LINK,
				     .mtu = 1280 };
	struct netlink_route v6 = { .family = AF_INET6, .dest = "fd01::/64", .device = "test0" };
	struct netlink_routes routes;
	struct err err = ERR_INIT;
	int seen = 0;

	must(netlink_set_up(nl, link0.index, true, &err));
	must(netlink_add_address(nl, link0.index, &v4, &err));
	for (int twice = 0; twice < 2; twice++) {
		must(netlink_add_route(nl, &all, &err));
		must(netlink_add_route(nl, &net, &err));
		must(netlink_add_route(nl, &v6, &err));
	}
	must(netlink_list_routes(nl, &routes, &err));
	vec_each(struct netlink_route, r, &routes.routes) {
		if (r->family == AF_INET && !*r->dest) {
			seen |= 1;
			ck_assert_str_eq(r->gateway, "10.1.2.1");
			ck_assert_str_eq(r->device, "test0");
			ck_assert_uint_eq(r->protocol, RTPROT_BOOT);
		} else if (str_eq(r->dest, "192.168.0.0/16")) {
			seen |= 2;
			ck_assert_uint_eq(r->mtu, 1280);
			ck_assert_uint_eq(r->scope, RT_SCOPE_LINK);
		} else if (str_eq(r->dest, "fd01::/64")) {
			seen |= 4;
		} else if (str_eq(r->dest, "10.1.2.0/24")) {
			seen |= 8;
			ck_assert_uint_eq(r->protocol, RTPROT_KERNEL);
			ck_assert_str_eq(r->source, "10.1.2.3");
		}
	}
	ck_assert_int_eq(seen, 15);
	netlink_routes_release(&routes);
	must(netlink_drop_route(nl, &net, &err));
	ck_assert_int_eq(netlink_drop_route(nl, &net, &err), -1);
}
END_TEST

/* As networks without IPv4 between their routers have it. */
START_TEST(a_gateway_may_be_of_the_other_family)
{
	struct netlink_address v4 = { AF_INET, "10.1.2.3", 24 };
	struct netlink_route want = {
		.family = AF_INET, .dest = "10.9.0.0/16", .gateway = "fe80::1", .device = "test0"
	};
	struct netlink_routes routes;
	struct err err = ERR_INIT;
	bool seen = false;

	must(netlink_set_up(nl, link0.index, true, &err));
	must(netlink_add_address(nl, link0.index, &v4, &err));
	must(netlink_add_route(nl, &want, &err));
	must(netlink_list_routes(nl, &routes, &err));
	vec_each(struct netlink_route, r, &routes.routes) {
		if (!str_eq(r->dest, want.dest))
			continue;
		seen = true;
		ck_assert_str_eq(r->gateway, want.gateway);
		ck_assert_int_eq(r->family, AF_INET);
		must(netlink_drop_route(nl, r, &err));
	}
	ck_assert(seen);
	netlink_routes_release(&routes);
	(void)str_print(want.gateway, sizeof(want.gateway), "10.1.2.1");
	want.family = AF_INET6;
	(void)str_print(want.dest, sizeof(want.dest), "fd09::/64");
	ck_assert_int_eq(netlink_add_route(nl, &want, &err), -1); /* the kernel has no such */
}
END_TEST

START_TEST(neighbours_are_replaced)
{
	struct netlink_neighbour n = { .index = link0.index,
				       .family = AF_INET,
				       .address = "10.1.2.9",
				       .mac = "02:00:00:00:00:09",
				       .state = NUD_PERMANENT };
	struct netlink_neighbours all;
	struct err err = ERR_INIT;

	must(netlink_set_up(nl, link0.index, true, &err));
	must(netlink_add_neighbour(nl, &n, &err));
	n.mac[16] = 'a';
	must(netlink_add_neighbour(nl, &n, &err));
	must(netlink_list_neighbours(nl, &all, &err));
	ck_assert_uint_eq(all.neighbours.n, 1);
	ck_assert_int_eq(all.neighbours.v[0].index, link0.index);
	ck_assert_str_eq(all.neighbours.v[0].address, "10.1.2.9");
	ck_assert_str_eq(all.neighbours.v[0].mac, "02:00:00:00:00:0a");
	netlink_neighbours_release(&all);
}
END_TEST

/* Frames of every type that arrive at one link are sent by the other. */
START_TEST(two_links_become_one_wire)
{
	static const uint8_t types[][2] = { { 8, 0 }, { 8, 6 }, { 0x86, 0xdd }, { 0x88, 0xcc } };
	AUTO(fd) int far = make_tap("test1");
	struct netlink_link link1;
	struct err err = ERR_INIT;
	bool there = true;

	must(netlink_find_link(nl, "test1", NULL, &link1, &err));
	netlink_link_release(&link1);
	for (int twice = 0; twice < 2; twice++)
		must(netlink_keep_quiet(nl, link1.index, &err));
	must(netlink_keep_quiet(nl, link0.index, &err));
	must(netlink_has_ingress(nl, link0.index, &there, &err));
	ck_assert(!there);
	must(netlink_add_ingress(nl, link0.index, &err));
	must(netlink_has_ingress(nl, link0.index, &there, &err));
	ck_assert(there);
	must(netlink_has_ingress(nl, link1.index, &there, &err));
	ck_assert(!there);
	ck_assert_int_eq(netlink_add_ingress(nl, link0.index, &err), -1);
	err_clear(&err);
	must(netlink_redirect(nl, link0.index, link1.index, &err));
	must(netlink_set_up(nl, link0.index, true, &err));
	must(netlink_set_up(nl, link1.index, true, &err));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 }, got[100] = { 0 };

		memcpy(frame + 12, types[i], 2);
		ck_assert_int_eq(write(tap, frame, sizeof(frame)), sizeof(frame));
		ck_assert_int_eq(read(far, got, sizeof(got)), sizeof(frame));
		ck_assert_mem_eq(frame, got, sizeof(frame));
	}
	for (int twice = 0; twice < 2; twice++) {
		must(netlink_drop_ingress(nl, link0.index, &err));
		must(netlink_drop_link(nl, link1.index, &err));
		must(netlink_drop_ingress(nl, link1.index, &err));
	}
	must(netlink_has_ingress(nl, link0.index, &there, &err));
	ck_assert(!there);
	ck_assert_int_eq(netlink_redirect(nl, link0.index, link0.index, &err), -1);
}
END_TEST

START_TEST(errors_name_the_object)
{
	struct netlink_address bad[] = { { AF_INET, "10.1.2", 24 },
					 { AF_INET, "10.1.2.3", 33 },
					 { AF_INET6, "10.1.2.3", 24 },
					 { 0, "::1", 64 } };
	struct netlink_route unreachable = { .family = AF_INET, .gateway = "10.9.9.9" };
	struct netlink_route no_link = { .family = AF_INET, .device = "nope0" };
	struct netlink_link link;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(netlink_add_address(nl, link0.index, &bad[i], &err), -1);
		ck_assert_int_eq(err.code, E_INVALID);
		err_clear(&err);
	}
	ck_assert_int_eq(netlink_find_link(nl, "nope0", NULL, &link, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(netlink_add_route(nl, &no_link, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(netlink_add_route(nl, &unreachable, &err), -1);
	ck_assert_int_ne(err.sys, 0);
	err_clear(&err);
	ck_assert_int_eq(netlink_set_up(nl, 99999, true, &err), -1);
	err_clear(&err);
	ck_assert_int_eq(netlink_set_name(nl, link0.index, "a-name-that-is-too-long", &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netlink");
	TCase *tc = tcase_create("kernel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, links_are_found_and_changed);
	tcase_add_test(tc, an_address_has_a_broadcast_address);
	tcase_add_test(tc, routes_are_added_listed_and_dropped);
	tcase_add_test(tc, a_gateway_may_be_of_the_other_family);
	tcase_add_test(tc, neighbours_are_replaced);
	tcase_add_test(tc, two_links_become_one_wire);
	tcase_add_test(tc, errors_name_the_object);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
