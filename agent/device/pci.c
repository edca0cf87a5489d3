// SPDX-License-Identifier: Apache-2.0
/* Parses PCI paths, and follows them through sysfs. */

#include "agent/device/pci.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <string.h>

static int parse_step(const char *text, struct pci_path *out, struct err *err)
{
	AUTO(strv) char **parts = strv_split(text, ".");
	uint64_t slot = 0, function = 0;

	if (strv_len(parts) < 1 || strv_len(parts) > 2)
		return err_set(err, E_INVALID, "'%.32s' is not a PCI slot", text);
	if (str_u64(parts[0], 16, 0, 31, "PCI slot", &slot, err) < 0 ||
	    (parts[1] && str_u64(parts[1], 16, 0, 7, "PCI function", &function, err) < 0))
		return -1;
	out->at[out->n].slot = (unsigned)slot;
	out->at[out->n++].function = (unsigned)function;
	return 0;
}

int pci_path_parse(const char *text, struct pci_path *out, struct err *err)
{
	AUTO(strv) char **steps = NULL;

	*out = (struct pci_path){ .n = 0 };
	if (strnlen(text, 64) < 64)
		steps = strv_split(text, "/");
	if (!steps || strv_len(steps) < 1 || strv_len(steps) > PCI_DEPTH)
		return err_set(err, E_INVALID, "'%.64s' is not a PCI path", text);
	strv_each(step, steps) {
		if (parse_step(*step, out, err) < 0)
			return err_wrap(err, "PCI path '%s'", text);
	}
	return 0;
}

/* The name of the bus behind a bridge: the only entry of its pci_bus directory ("0000:01"). */
static char *bus_behind(const char *bridge)
{
	AUTO(str) char *path = path_join(bridge, "pci_bus");
	AUTO(dir) DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] != '.')
			return xstrdup(e->d_name);
	}
	return NULL;
}

/* Follows the path from the directory of a root bus; heap, or NULL. */
static char *resolve_below(const char *root, const struct pci_path *path)
{
	AUTO(str) char *at = xstrdup(root);
	AUTO(str) char *bus = xstrdup("0000:00");

	for (unsigned i = 0; i < path->n; i++) {
		char *next;

		if (i > 0) {
			free(bus);
			bus = bus_behind(at);
		}
		if (!bus)
			return NULL;
		next = str_fmt("%s/%s:%02x.%x", at, bus, path->at[i].slot, path->at[i].function);
		free(at);
		at = next;
		if (!path_exists(at))
			return NULL;
	}
	return STEAL(at, NULL);
}

char *pci_resolve(const char *sysfs, const struct pci_path *path)
{
	/* Directories of the root bus: with ACPI, and on QEMU's machine "virt". */
	static const char *const roots[] = { "devices/pci0000:00",
					     "devices/platform/4010000000.pcie/pci0000:00" };

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		AUTO(str) char *root = path_join(sysfs, roots[i]);
		char *found = resolve_below(root, path);

		if (found)
			return found;
	}
	return NULL;
}
