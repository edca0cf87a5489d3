// SPDX-License-Identifier: Apache-2.0
#pragma once

/* PCI paths, by which the runtime describes devices, and their directories in sysfs. Any thread. */

#include "base/err.h"

enum { PCI_DEPTH = 8 };
/* "02/01": a slot on each bus, root bus first; "02/01.3" names a function too. */
struct pci_path {
	unsigned n;
	struct {
		unsigned slot, function;
	} at[PCI_DEPTH];
};
/* E_INVALID names the text. */
MUST_CHECK int pci_path_parse(const char *text, struct pci_path *out, struct err *err);
/* Returns the device's directory, "SYSFS/devices/pci0000:00/0000:00:02.0/0000:01:01.0", heap; NULL
 * if the device is not there (yet). sysfs is "/sys" except in tests. */
char *pci_resolve(const char *sysfs, const struct pci_path *path);
