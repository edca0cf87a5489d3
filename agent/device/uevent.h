// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Device events (uevents) of the kernel, and waiting for devices by means of them.
 *
 * The source of truth is /sys: it is checked at once and after each uevent, until the deadline;
 * nothing is cached between requests. Any thread; there is no shared state.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* One message of the kernel: NUL-terminated words. Strings point into the message; "" if absent. */
struct uevent {
	const char *action, *devpath, *subsystem, *devname, *interface;
};
/* data[len] must be writable: it is set to NUL. False if it is not an event of the kernel. */
bool uevent_parse(char *data, size_t len, struct uevent *out);

/* Checks for a device: 1 present, 0 not yet, -1 with an error that ends the wait. */
typedef int (*uevent_probe_fn)(void *arg, struct err *err);
/* Probes now and after every uevent until probe returns 1; E_TIMEOUT names what. */
MUST_CHECK int uevent_wait(uevent_probe_fn probe, void *arg, struct deadline deadline,
			   const char *what, struct err *err);
