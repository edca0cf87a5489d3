// SPDX-License-Identifier: Apache-2.0
/* Taps, and what connects them. */

#include "network/tap.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

static int open_tap(const char *name, struct err *err)
{
	struct ifreq request = {
		/* With a header by which checksums and segmentation are left to whoever can do them
		 * best; never an existing tap of that name. */
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

/* The kernel's own back end; without it the VMM copies the packets. */
static int open_vhost(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		log_debug("no /dev/vhost-net", LOG_S("why", strerror(errno)));
	return fd;
}

static int prepare(struct netlink *nl, const struct netlink_link *link, int tap, struct err *err)
{
	if (netlink_keep_quiet(nl, tap, err) < 0 || netlink_set_mtu(nl, tap, link->mtu, err) < 0 ||
	    netlink_set_up(nl, tap, true, err) < 0)
		return -1;
	/* What arrives is the guest's only while the interface itself is up. */
	return link->flags & IFF_UP ? 0 : netlink_set_up(nl, link->index, true, err);
}

/* The interface's end is last: the tap's goes with the tap. */
static int make_wire(struct netlink *nl, int link, int tap, struct err *err)
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

int tap_connect(struct netlink *nl, struct endpoint *e, bool vhost, struct err *err)
{
	struct netlink_link tap;
	int result;

	e->tap_fd = open_tap(e->tap, err);
	if (e->tap_fd < 0 || netlink_find_link(nl, e->tap, NULL, &tap, err) < 0)
		return err_wrap(err, "interface %s", e->link.name);
	result = prepare(nl, &e->link, tap.index, err);
	if (result == 0)
		result = make_wire(nl, e->link.index, tap.index, err);
	netlink_link_release(&tap);
	if (result < 0) {
		fd_close(&e->tap_fd); /* with it the tap goes */
		return err_wrap(err, "interface %s", e->link.name);
	}
	e->connected = true;
	e->vhost_fd = vhost ? open_vhost() : -1;
	return 0;
}

/* The index of a link, 0: there is none of that name. */
static int index_of(struct netlink *nl, const char *name, const char *kind, int *index,
		    struct err *err)
{
	struct netlink_link link;

	*index = 0;
	if (netlink_find_link(nl, name, NULL, &link, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (!kind || str_eq(link.kind, kind))
		*index = link.index;
	netlink_link_release(&link);
	return 0;
}

int tap_disconnect(struct netlink *nl, const char *interface, const char *tap, struct err *err)
{
	int index;

	if (index_of(nl, tap, "tun", &index, err) < 0 ||
	    (index && netlink_drop_link(nl, index, err) < 0) ||
	    index_of(nl, interface, NULL, &index, err) < 0 ||
	    (index && netlink_drop_ingress(nl, index, err) < 0))
		return err_wrap(err, "interface %s", interface);
	return 0;
}
