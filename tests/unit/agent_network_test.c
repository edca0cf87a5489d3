// SPDX-License-Identifier: Apache-2.0
/* The guest's links, as the runtime describes them. Needs root. */

#include "tests/unit/suite.h"

#include "agent/network.h"
#include "base/fd.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAC        "02:00:00:00:00:07"
#define must(call) ck_assert_msg((call) == 0, "%s", err.msg)

static struct netlink *nl;
static struct netlink_address address = { AF_INET, "10.1.2.3", 24 };

static void setup(void)
{
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNET) == 0);
	must(netlink_open(&nl, &err));
}

static void teardown(void)
{
	netlink_close(nl);
}

/* A card with that hardware address: a tap. */
static int plug(const char *name, struct err *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct netlink_link link;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	memcpy(request.ifr_name, name, strlen(name) + 1);
	ck_assert(ioctl(fd, TUNSETIFF, &request) == 0);
	ck_assert_int_eq(netlink_find_link(nl, name, NULL, &link, err), 0);
	ck_assert_int_eq(netlink_set_mac(nl, link.index, MAC, err), 0);
	netlink_link_release(&link);
	return fd;
}

static void set(bool gone, struct err *err)
{
	struct network_link want = { .mac = MAC,
				     .name = "eth0",
				     .gone = gone,
				     .addresses = &address,
				     .n_addresses = gone ? 0 : 1 };

	ck_assert_msg(network_set_link(&want, deadline_in(0), err) == 0, "%s", err->msg);
}

static bool has_address(const struct netlink_link *link)
{
	vec_each(const struct netlink_address, a, &link->addresses) {
		if (str_eq(a->address, address.address))
			return true;
	}
	return false;
}

/* An interface that was removed, and made again with the same hardware address. */
START_TEST(a_card_that_is_gone_is_not_found_again)
{
	struct netlink_link link;
	struct err err = ERR_INIT;
	AUTO(fd) int old = plug("card0", &err), new = -1;

	ck_assert_int_ge(old, 0);
	set(false, &err);
	must(netlink_find_link(nl, "eth0", MAC, &link, &err));
	ck_assert(has_address(&link));
	netlink_link_release(&link);
	set(true, &err);
	set(true, &err); /* asked twice, since the first answer was lost */
	must(netlink_find_link(nl, "eth0", NULL, &link, &err));
	ck_assert_str_ne(link.mac, MAC);
	ck_assert_uint_eq(link.addresses.n, 0);
	ck_assert(!(link.flags & IFF_UP));
	netlink_link_release(&link);
	new = plug("card1", &err);
	set(false, &err);
	must(netlink_find_link(nl, "eth0", MAC, &link, &err));
	ck_assert(has_address(&link));
	ck_assert(link.flags & IFF_UP);
	netlink_link_release(&link);
}
END_TEST

/* --- two cards with one hardware address, as ipvlan interfaces of one parent have it --- */

/* Asks for an interface that the guest has by the name `former` ("": it has not), with the address
 * 10.1.NET.2. */
static int ask(const char *former, const char *name, int net, bool gone, struct err *err)
{
	struct netlink_address one = { AF_INET, "", 24 };
	struct network_link want = { .mac = MAC,
				     .name = name,
				     .former = former,
				     .gone = gone,
				     .addresses = &one,
				     .n_addresses = gone ? 0 : 1 };

	(void)snprintf(one.address, sizeof(one.address), "10.1.%d.2", net);
	return network_set_link(&want, deadline_in(0), err);
}

/* All links but lo as "NAME[=ADDRESS] ...", in the kernel's order. */
static const char *links(void)
{
	static char text[256];
	struct netlink_links all;
	struct err err = ERR_INIT;

	*text = '\0';
	must(netlink_list_links(nl, &all, &err));
	vec_each(struct netlink_link, link, &all.links) {
		size_t len = strlen(text);
		bool has = false;

		if (link->flags & IFF_LOOPBACK)
			continue;
		(void)snprintf(text + len, sizeof(text) - len, "%s", link->name);
		vec_each(struct netlink_address, a, &link->addresses) {
			len = strlen(text);
			if (a->family == AF_INET && !has)
				(void)snprintf(text + len, sizeof(text) - len, "=%s", a->address);
			has |= a->family == AF_INET;
		}
		len = strlen(text);
		(void)snprintf(text + len, sizeof(text) - len, " ");
	}
	netlink_links_release(&all);
	return text;
}

/* The kernel's names are no hint: here each is the name of the other interface. */
START_TEST(each_interface_has_a_card_of_its_own)
{
	struct err err = ERR_INIT;
	AUTO(fd) int one = plug("eth0", &err), two = plug("eth1", &err);

	ck_assert(one >= 0 && two >= 0);
	for (int twice = 0; twice < 2; twice++) { /* the first answer was lost */
		must(ask("eth1", "eth1", 1, false, &err));
		must(ask("eth0", "eth0", 2, false, &err));
		ck_assert_str_eq(links(), "eth1=10.1.1.2 eth0=10.1.2.2 ");
	}
}
END_TEST

START_TEST(each_interface_keeps_its_card)
{
	struct err err = ERR_INIT;
	AUTO(fd) int one = plug("eth0", &err), two = plug("eth1", &err);

	ck_assert(one >= 0 && two >= 0);
	must(ask("", "eth0", 1, false, &err));
	must(ask("", "net1", 2, false, &err));
	must(ask("net1", "net2", 3, false, &err));
	ck_assert_str_eq(links(), "eth0=10.1.1.2 net2=10.1.3.2 ");
	must(ask("net1", "net2", 4, false, &err)); /* the answer to the former name was lost */
	ck_assert_str_eq(links(), "eth0=10.1.1.2 net2=10.1.4.2 ");
	for (int twice = 0; twice < 2; twice++) {
		must(ask("net2", "net2", 0, true, &err));
		ck_assert_str_eq(links(), "eth0=10.1.1.2 net2 ");
	}
	must(ask("eth0", "eth9", 5, false, &err));
	ck_assert_str_eq(links(), "eth9=10.1.5.2 net2 ");
}
END_TEST

/* It does not take the card of another interface. */
START_TEST(an_interface_waits_for_its_card)
{
	struct err err = ERR_INIT;
	AUTO(fd) int one = plug("eth0", &err), two = -1;

	ck_assert_int_ge(one, 0);
	must(ask("eth0", "eth0", 1, false, &err));
	ck_assert_int_eq(ask("net1", "net1", 2, false, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	two = plug("eth1", &err);
	must(ask("net1", "net1", 2, false, &err));
	ck_assert_str_eq(links(), "eth0=10.1.1.2 net1=10.1.2.2 ");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent, network");
	TCase *t = tcase_create("network");

	if (geteuid() == 0) {
		tcase_add_checked_fixture(t, setup, teardown);
		tcase_add_test(t, a_card_that_is_gone_is_not_found_again);
		tcase_add_test(t, each_interface_has_a_card_of_its_own);
		tcase_add_test(t, each_interface_keeps_its_card);
		tcase_add_test(t, an_interface_waits_for_its_card);
	} else {
		(void)puts("skipped: a network namespace needs root");
	}
	suite_add_tcase(s, t);
	return suite_run(s);
}
