// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Waits for devices, by the kernel's uevents.
 *
 * Whether a device is there is decided by /sys alone: it is checked at once, after each uevent, and
 * every 100 ms, until the deadline. Nothing is cached between requests. Any thread; there is no
 * shared state.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A message of the kernel. The strings point into the message; "" if absent. */
struct uevent {
	const char *action, *devpath, *subsystem, *devname, *interface;
};
/* Parses a message of len bytes; data[len] must be writable, and is set to NUL. Returns false if it
 * is not an event of the kernel. */
bool uevent_parse(char *data, size_t len, struct uevent *out);

/* Checks for a device: returns 1 if it is there, 0 if not yet, -1 with an error that ends the
 * wait. */
typedef int (*uevent_probe_fn)(void *arg, struct err *err);
/* Waits until probe returns 1. E_TIMEOUT, with a message that begins with what; or probe's
 * error. */
MUST_CHECK int uevent_wait(uevent_probe_fn probe, void *arg, struct deadline deadline,
			   const char *what, struct err *err);
