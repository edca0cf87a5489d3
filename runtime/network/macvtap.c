// SPDX-License-Identifier: Apache-2.0
/*
 * A macvtap on an interface. Its character device has a number that only the namespace's own sysfs tells, and
 * no node that could be trusted: the node's /dev has one for each index of a link, in whichever namespace it
 * was made first. So sysfs is mounted for the namespace, and a node made in a file system of its own; neither
 * is mounted anywhere, and both go with their fds.
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

/* The root of a new, unmounted file system. */
static int make_fs(const char *type, struct err *err)
{
	AUTO(fd) int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), root = -1;

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "make a %s", type);
	root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	return root < 0 ? err_sys(err, "make a %s", type) : STEAL(root, -1);
}

/* "MAJOR:MINOR" */
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
	(void)interface; /* has its frames back when the macvtap has gone */
	return wire_drop_link(nl, tap, "macvtap", err);
}

const struct wire wire_macvtap = { "macvtap", macvtap_connect, macvtap_disconnect };
