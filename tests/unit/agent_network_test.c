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

int main(void)
{
	Suite *s = suite_create("agent, network");
	TCase *t = tcase_create("network");

	if (geteuid() == 0) {
		tcase_add_checked_fixture(t, setup, teardown);
		tcase_add_test(t, a_card_that_is_gone_is_not_found_again);
	} else {
		(void)puts("skipped: a network namespace needs root");
	}
	suite_add_tcase(s, t);
	return suite_run(s);
}
