// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Devices that the runtime plugs into the VM: finding their nodes, waiting until they appear, and
 * adding them to the container's specification.
 *
 * The source of truth is /sys: it is checked at once and after each uevent of the kernel, until the
 * deadline; nothing is cached between requests.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- uevents --- */

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

/* --- PCI --- */

enum { PCI_DEPTH = 8 };
/* "02/01": a slot on each bus, root bus first; "02/01.3" names a function too. */
struct pci_path {
	unsigned n;
	struct {
		unsigned slot, function;
	} at[PCI_DEPTH];
};
MUST_CHECK int pci_path_parse(const char *text, struct pci_path *out, struct err *err);
/* The device's directory, "SYSFS/devices/pci0000:00/0000:00:02.0/0000:01:01.0", heap. NULL: not
 * present (yet). sysfs is "/sys" except in tests. */
char *pci_resolve(const char *sysfs, const struct pci_path *path);

/* --- the devices --- */

/* Waits for the block device and returns its node's path, heap. type is that of the device or
 * storage driver: blk (PCI path, or /dev/...), mmioblk, nvdimm (/dev/...), scsi ("id:lun"). */
char *device_block(const char *type, const char *id, struct deadline deadline, struct err *err);

/* Waits for every device of the request and puts node, number and access into the specification. */
MUST_CHECK int device_add_all(const Grpc__CreateContainerRequest *r, struct oci_spec *spec,
			      struct deadline deadline, struct err *err);
