// SPDX-License-Identifier: Apache-2.0
/*
 * PCI devices that are passed through: bound to vfio-pci in the guest too, for a container that
 * drives the device itself, or left to the guest's driver.
 */

#include "agent/device/vfio.h"

#include "agent/device/pci.h"
#include "agent/device/uevent.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct search {
	const struct pci_path *pci;
	char *directory;
};

static int probe_pci(void *arg, struct err *err)
{
	struct search *s = arg;

	(void)err;
	free(s->directory);
	s->directory = pci_resolve("/sys", s->pci);
	return s->directory != NULL;
}

/* Waits for a PCI function. The option is "0000:1a:00.0=02/01", the host's address and the guest's
 * path. Returns the function's directory in sysfs, heap. */
static char *wait_vfio(const char *option, struct deadline deadline, struct err *err)
{
	const char *equal = strchr(option, '=');
	struct pci_path pci;
	struct search s = { .pci = &pci };

	if (!equal) {
		err_set(err, E_INVALID, "vfio option '%.64s' is not HOST=PCIPATH", option);
		return NULL;
	}
	if (pci_path_parse(equal + 1, &pci, err) < 0)
		return NULL;
	if (uevent_wait(probe_pci, &s, deadline, option, err) == 0)
		return s.directory;
	free(s.directory);
	return NULL;
}

static int bind_to_vfio(const char *device, struct err *err)
{
	AUTO(str) char *override = path_join(device, "driver_override");
	AUTO(str) char *unbind = path_join(device, "driver/unbind");
	AUTO(str) char *bound = path_join(device, "driver");
	AUTO(str) char *now = realpath(bound, NULL);

	if (now && str_eq(path_basename(now), "vfio-pci"))
		return 0;
	if (file_write(AT_FDCWD, override, "vfio-pci", err) < 0 ||
	    (now && file_write(AT_FDCWD, unbind, path_basename(device), err) < 0) ||
	    file_write(AT_FDCWD, "/sys/bus/pci/drivers_probe", path_basename(device), err) < 0)
		return err_wrap(err, "give %s to vfio-pci", path_basename(device));
	return 0;
}

/* The name of the device's IOMMU group, heap. */
static char *group_of(const char *device, struct err *err)
{
	AUTO(str) char *link = path_join(device, "iommu_group");
	AUTO(str) char *group = realpath(link, NULL);

	if (!group) {
		err_sys(err, "IOMMU group of %s", path_basename(device));
		return NULL;
	}
	return xstrdup(path_basename(group));
}

static int probe_any(void *arg, struct err *err)
{
	(void)err;
	return path_exists(arg);
}

static char *await_group(const char *group, struct deadline deadline, struct err *err)
{
	AUTO(str) char *node = path_join("/dev/vfio", group);

	return uevent_wait(probe_any, node, deadline, node, err) < 0 ? NULL : STEAL(node, NULL);
}

char *vfio_node(const Grpc__Device *d, struct deadline deadline, struct err *err)
{
	AUTO(str) char *group = NULL;

	for (size_t i = 0; i < d->n_options; i++) {
		AUTO(str) char *device = wait_vfio(d->options[i], deadline, err);
		AUTO(str) char *its = NULL;

		if (!device || bind_to_vfio(device, err) < 0 || !(its = group_of(device, err)))
			return NULL;
		if (group && !str_eq(group, its)) {
			err_set(err, E_INVALID, "%s is in IOMMU group %s, not %s", d->options[i],
				its, group);
			return NULL;
		}
		str_set(&group, its);
	}
	if (!group) {
		err_set(err, E_INVALID, "device %.64s lists no PCI function", d->id);
		return NULL;
	}
	return await_group(group, deadline, err);
}

int vfio_await(const Grpc__Device *d, struct deadline deadline, struct err *err)
{
	for (size_t i = 0; i < d->n_options; i++) {
		AUTO(str) char *device = wait_vfio(d->options[i], deadline, err);

		if (!device)
			return -1;
	}
	return 0;
}

/* --- PCIDEVICE_* of the environment --- */

/* The guest's PCI address of the device that has the address host on the host; heap, or NULL. */
static char *guest_address(Grpc__Device *const *devices, size_t n, const char *host)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < devices[i]->n_options; k++) {
			const char *option = devices[i]->options[k];
			const char *equal = strchr(option, '=');
			struct err ignored = ERR_INIT; /* the handler has reported it */
			AUTO(str) char *device = NULL;
			struct pci_path pci;

			if (!equal || strlen(host) != (size_t)(equal - option) ||
			    strncmp(option, host, strlen(host)) != 0 ||
			    pci_path_parse(equal + 1, &pci, &ignored) < 0)
				continue;
			device = pci_resolve("/sys", &pci);
			return device ? xstrdup(path_basename(device)) : NULL;
		}
	}
	return NULL;
}

void vfio_rewrite_environment(Grpc__Device *const *devices, size_t n, struct oci_spec *spec)
{
	for (char **e = spec->process ? spec->process->env : NULL; e && *e; e++) {
		const char *equal = strchr(*e, '=');
		AUTO(strv) char **hosts = NULL;
		AUTO(strv) char **guests = NULL;
		AUTO(str) char *joined = NULL;

		if (!str_starts(*e, "PCIDEVICE_") || !equal)
			continue;
		hosts = strv_split(equal + 1, ",");
		strv_each(host, hosts) {
			AUTO(str) char *guest = guest_address(devices, n, *host);

			strv_push(&guests, guest ? guest : *host);
		}
		joined = strv_join(guests, ",");
		str_set(&joined, joined ? joined : "");
		AUTO(str) char *line = str_fmt("%.*s=%s", (int)(equal - *e), *e, joined);
		str_set(e, line);
	}
}
