// SPDX-License-Identifier: Apache-2.0
/* Uevents of the kernel, and PCI paths that the runtime sends. */

#include "agent/device/pci.h"
#include "agent/device/uevent.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mem) char *copy = xmalloc(size + 1);
	AUTO(str) char *text = xstrndup((const char *)data, size);
	struct err err = ERR_INIT;
	struct pci_path path;
	struct uevent e;

	if (size)
		memcpy(copy, data, size);
	if (uevent_parse(copy, size, &e) && (!*e.action || !*e.devpath))
		bug("an event without action or path");
	if (pci_path_parse(text, &path, &err) == 0 && (path.n < 1 || path.n > PCI_DEPTH))
		bug("a PCI path of %u steps", path.n);
	return 0;
}
