// SPDX-License-Identifier: Apache-2.0
/*
 * Connects an interface by a macvtap. The VMM needs the macvtap's character device, whose number
 * only a sysfs of the namespace shows. The host's /dev cannot be used: its nodes are named by link
 * indexes, which are not unique across namespaces. So a sysfs for the namespace, and a tmpfs for a
 * device node, are made without mounting them anywhere; both vanish when their fds are closed.
 */

#include "network/wire.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Makes a file system that is not mounted, and returns an fd of its root. */
static int make_fs(const char *type, struct err *err)
{
	AUTO(fd) int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), root = -1;

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "make a %s", type);
	root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	return root < 0 ? err_sys(err, "make a %s", type) : STEAL(root, -1);
}

/* Parses a device number, "MAJOR:MINOR". */
static int parse_number(const char *text, dev_t *out, struct err *err)
{
	AUTO(strv) char **parts = strv_split(text, ":");
	uint64_t major, minor;

	if (strv_len(parts) != 2)
		return err_set(err, E_PROTOCOL, "'%.32s' is no device number", text);
	if (str_u64(parts[0], 10, 0, UINT32_MAX, "the major number", &major, err) < 0 ||
	    str_u64(parts[1], 10, 0, UINT32_MAX, "the minor number", &minor, err) < 0)
		return -1;
	*out = makedev((unsigned)major, (unsigned)minor);
	return 0;
}

/* *out: the device number of the macvtap with that name and index. */
static int find_number(const char *name, int index, dev_t *out, struct err *err)
{
	AUTO(fd) int sysfs = make_fs("sysfs", err);
	AUTO(str) char *path = str_fmt("class/net/%s/tap%d/dev", name, index), *line = NULL;

	if (sysfs < 0)
		return -1;
	line = file_read_line(sysfs, path, err);
	if (!line)
		return err_wrap(err, "sysfs");
	return parse_number(line, out, err) < 0 ? err_wrap(err, "sysfs: %s", path) : 0;
}

static int open_device(dev_t number, struct err *err)
{
	AUTO(fd) int fs = make_fs("tmpfs", err), fd = -1;

	if (fs < 0)
		return -1;
	if (mknodat(fs, "tap", S_IFCHR | 0600, number) < 0)
		return err_sys(err, "make a device node");
	fd = openat(fs, "tap", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "open the character device %u:%u", major(number),
				minor(number))
		      : STEAL(fd, -1);
}

static int open_macvtap(struct netlink *nl, struct endpoint *e, struct err *err)
{
	struct netlink_link tap;
	dev_t number = 0;

	if (netlink_find_link(nl, e->tap, NULL, &tap, err) < 0)
		return -1;
	e->tap_index = tap.index;
	netlink_link_release(&tap);
	if (netlink_keep_quiet(nl, e->tap_index, err) < 0 ||
	    netlink_set_up(nl, e->tap_index, true, err) < 0 || wire_set_up(nl, &e->link, err) < 0 ||
	    find_number(e->tap, e->tap_index, &number, err) < 0)
		return -1;
	e->tap_fd = open_device(number, err);
	return e->tap_fd < 0 ? -1 : 0;
}

static int macvtap_connect(struct netlink *nl, struct endpoint *e, struct err *err)
{
	struct err ignored = ERR_INIT; /* the first one is reported */

	if (netlink_add_macvtap(nl, e->tap, e->link.index, err) < 0)
		return -1;
	if (open_macvtap(nl, e, err) == 0)
		return 0;
	(void)!wire_drop_link(nl, e->tap, "macvtap", &ignored);
	return err_wrap(err, "macvtap %s", e->tap);
}

static int macvtap_disconnect(struct netlink *nl, const char *interface, const char *tap,
			      struct err *err)
{
	(void)interface; /* it receives its frames again once the macvtap is removed */
	return wire_drop_link(nl, tap, "macvtap", err);
}

const struct wire wire_macvtap = { "macvtap", macvtap_connect, macvtap_disconnect };
