// SPDX-License-Identifier: Apache-2.0
/* Connects an interface by a tap: an ingress qdisc on each, with a filter that redirects to the
 * other. */

#include "network/wire.h"

#include "base/fd.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

static int open_tap(const char *name, struct err *err)
{
	struct ifreq request = {
		/* VNET_HDR: frames have a header by which checksums and segmentation can be left to
		 * the receiver. TUN_EXCL: never an existing tap of that name. */
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)
	};
	AUTO(fd) int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "open /dev/net/tun");
		return err_hint(err, "load the kernel module tun");
	}
	(void)str_print(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return err_sys(err, "make the tap %s", name);
	return STEAL(fd, -1);
}

static int prepare(struct netlink *nl, const struct netlink_link *link, int tap, struct err *err)
{
	if (netlink_keep_quiet(nl, tap, err) < 0 || netlink_set_mtu(nl, tap, link->mtu, err) < 0 ||
	    netlink_set_up(nl, tap, true, err) < 0)
		return -1;
	return wire_set_up(nl, link, err);
}

/* The interface's side is last: undoing the tap's needs no more than removing the tap. */
static int join(struct netlink *nl, int link, int tap, struct err *err)
{
	struct err ignored = ERR_INIT; /* the first one is reported */

	if (netlink_add_ingress(nl, tap, err) < 0 || netlink_redirect(nl, tap, link, err) < 0 ||
	    netlink_add_ingress(nl, link, err) < 0)
		return -1;
	if (netlink_redirect(nl, link, tap, err) == 0)
		return 0;
	(void)!netlink_drop_ingress(nl, link, &ignored);
	return -1;
}

static int tcfilter_connect(struct netlink *nl, struct endpoint *e, struct err *err)
{
	struct netlink_link tap;

	e->tap_fd = open_tap(e->tap, err);
	if (e->tap_fd < 0)
		return -1;
	if (netlink_find_link(nl, e->tap, NULL, &tap, err) == 0) {
		e->tap_index = tap.index;
		netlink_link_release(&tap);
		if (prepare(nl, &e->link, e->tap_index, err) == 0 &&
		    join(nl, e->link.index, e->tap_index, err) == 0)
			return 0;
	}
	fd_close(&e->tap_fd); /* removes the tap */
	return -1;
}

static int tcfilter_disconnect(struct netlink *nl, const char *interface, const char *tap,
			       struct err *err)
{
	struct netlink_link link;
	int result;

	if (wire_drop_link(nl, tap, "tun", err) < 0)
		return -1;
	if (netlink_find_link(nl, interface, NULL, &link, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	result = netlink_drop_ingress(nl, link.index, err);
	netlink_link_release(&link);
	return result;
}

const struct wire wire_tcfilter = { "tcfilter", tcfilter_connect, tcfilter_disconnect };
