// SPDX-License-Identifier: Apache-2.0
/* Receives and parses the kernel's uevents. */

#include "agent/device/uevent.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { UEVENT_MAX = 16 * 1024, KERNEL_GROUP = 1, LOOK_MS = 100 };

static void take(const char *word, struct uevent *out)
{
	static const struct {
		const char *key;
		size_t at;
	} keys[] = {
		{ "ACTION=", offsetof(struct uevent, action) },
		{ "DEVPATH=", offsetof(struct uevent, devpath) },
		{ "SUBSYSTEM=", offsetof(struct uevent, subsystem) },
		{ "DEVNAME=", offsetof(struct uevent, devname) },
		{ "INTERFACE=", offsetof(struct uevent, interface) },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (str_starts(word, keys[i].key))
			*(const char **)((char *)out + keys[i].at) = word + strlen(keys[i].key);
	}
}

bool uevent_parse(char *data, size_t len, struct uevent *out)
{
	const char *p = data, *end = data + len;

	*out = (struct uevent){ "", "", "", "", "" };
	data[len] = '\0';
	/* The kernel's begin with "add@/devices/..."; udev's begin differently. */
	if (!memchr(data, '@', strnlen(data, len)))
		return false;
	for (; p < end; p += strlen(p) + 1)
		take(p, out);
	return *out->action && *out->devpath;
}

static int listen_to_kernel(struct err *err)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	AUTO(fd)
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "listen to device events");
	return STEAL(fd, -1);
}

/* Reads all pending messages. Returns true if a device was added or changed. */
static bool drain(int fd)
{
	AUTO(mem) char *data = xmalloc(UEVENT_MAX + 1);
	bool news = false;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		struct uevent event;
		ssize_t n = recvfrom(fd, data, UEVENT_MAX, 0, (struct sockaddr *)&from, &size);

		if (n < 0 && errno == ENOBUFS)
			news = true; /* messages were lost */
		else if (n < 0)
			return news;
		else if (from.nl_pid == 0 && uevent_parse(data, (size_t)n, &event))
			news |= !str_eq(event.action, "remove");
	}
}

int uevent_wait(uevent_probe_fn probe, void *arg, struct deadline deadline, const char *what,
		struct err *err)
{
	AUTO(fd) int fd = listen_to_kernel(err); /* before the probe: no event is missed */
	int result;

	if (fd < 0)
		return -1;
	while ((result = probe(arg, err)) == 0) {
		struct deadline look = deadline_in(LOOK_MS);

		/* Probe after 100 ms in any case: some devices appear without an event. */
		do {
			struct pollfd p = { .fd = fd, .events = POLLIN };

			if (deadline_passed(deadline))
				return err_set(err, E_TIMEOUT, "%s did not appear in time", what);
			(void)poll(&p, 1, deadline_left(deadline_min(deadline, look)));
		} while (!drain(fd) && !deadline_passed(look));
	}
	return result < 0 ? -1 : 0;
}
