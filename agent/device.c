// SPDX-License-Identifier: Apache-2.0
/*
 * Devices of a container: block devices by their bus, and host devices passed through (vfio). A
 * handler waits until the device has appeared and then replaces the host's device numbers in the
 * specification.
 */

#include "agent/device.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The first entry of a directory with this prefix and suffix, heap, or NULL. */
static char *first_entry(const char *folder, const char *prefix, const char *suffix)
{
	AUTO(dir) DIR *dir = opendir(folder);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] != '.' && str_starts(e->d_name, prefix) &&
		    str_ends(e->d_name, suffix))
			return path_join(folder, e->d_name);
	}
	return NULL;
}

struct search {
	const struct pci_path *pci; /* virtio-blk */
	unsigned target, lun;       /* scsi */
	char *node;                 /* "/dev/vda": the node to find, or the node found */
};

static bool is_block(const char *node)
{
	struct stat st;

	return stat(node, &st) == 0 && S_ISBLK(st.st_mode);
}

static int found_block(struct search *s, const char *folder)
{
	AUTO(str) char *block = path_join(folder, "block");
	AUTO(str) char *disk = first_entry(block, "", "");

	if (!disk)
		return 0;
	free(s->node);
	s->node = path_join("/dev", path_basename(disk));
	return is_block(s->node); /* devtmpfs makes the node a moment later */
}

static int probe_pci_block(void *arg, struct err *err)
{
	struct search *s = arg;
	AUTO(str) char *device = pci_resolve("/sys", s->pci);
	AUTO(str) char *virtio = device ? first_entry(device, "virtio", "") : NULL;

	(void)err;
	return virtio ? found_block(s, virtio) : 0;
}

static int probe_scsi(void *arg, struct err *err)
{
	struct search *s = arg;
	AUTO(str) char *address = str_fmt(":0:%u:%u", s->target, s->lun);
	AUTO(str) char *device = first_entry("/sys/class/scsi_device", "", address);
	AUTO(str) char *folder = device ? path_join(device, "device") : NULL;

	(void)err;
	return folder ? found_block(s, folder) : 0;
}

static int probe_node(void *arg, struct err *err)
{
	(void)err;
	return is_block(((struct search *)arg)->node);
}

static char *wait_pci(const char *id, struct deadline deadline, struct err *err)
{
	struct pci_path pci;
	struct search s = { .pci = &pci };
	AUTO(str) char *what = str_fmt("block device at PCI path %.64s", id);

	if (pci_path_parse(id, &pci, err) < 0)
		return NULL;
	if (uevent_wait(probe_pci_block, &s, deadline, what, err) == 0)
		return s.node;
	free(s.node);
	return NULL;
}

static char *wait_node(const char *node, struct deadline deadline, struct err *err)
{
	AUTO(str) char *clean = path_clean(node);
	AUTO(str) char *what = str_fmt("block device %.128s", node);
	struct search s = { .node = clean };

	if (!path_is_below(clean, "/dev") || str_eq(clean, "/dev")) {
		err_set(err, E_INVALID, "'%.128s' is not below /dev", node);
		return NULL;
	}
	if (uevent_wait(probe_node, &s, deadline, what, err) < 0)
		return NULL;
	return STEAL(clean, NULL);
}

/* Makes every host adapter scan one address. */
static int scan_scsi(const struct search *s, struct err *err)
{
	AUTO(str) char *request = str_fmt("0 %u %u", s->target, s->lun);
	AUTO(dir) DIR *dir = opendir("/sys/class/scsi_host");

	for (struct dirent *e; dir && (e = readdir(dir));) {
		AUTO(str) char *scan = str_fmt("%s/scan", e->d_name);

		if (e->d_name[0] != '.' && file_write(dirfd(dir), scan, request, err) < 0)
			return err_wrap(err, "scan %s", e->d_name);
	}
	return 0;
}

static char *wait_scsi(const char *id, struct deadline deadline, struct err *err)
{
	AUTO(strv) char **parts = strv_split(id, ":");
	AUTO(str) char *what = str_fmt("SCSI disk %.64s", id);
	struct search s = { .node = NULL };
	uint64_t target, lun;

	if (strv_len(parts) != 2) {
		err_set(err, E_INVALID, "'%.64s' is not a SCSI address ID:LUN", id);
		return NULL;
	}
	if (str_u64(parts[0], 10, 0, 255, "SCSI id", &target, err) < 0 ||
	    str_u64(parts[1], 10, 0, 16383, "SCSI lun", &lun, err) < 0)
		return NULL;
	s.target = (unsigned)target;
	s.lun = (unsigned)lun;
	if (scan_scsi(&s, err) == 0 && uevent_wait(probe_scsi, &s, deadline, what, err) == 0)
		return s.node;
	free(s.node);
	return NULL;
}

char *device_block(const char *type, const char *id, struct deadline deadline, struct err *err)
{
	if (str_eq(type, "scsi"))
		return wait_scsi(id, deadline, err);
	if (str_eq(type, "blk") && !str_starts(id, "/"))
		return wait_pci(id, deadline, err);
	return wait_node(id, deadline, err);
}

/* --- the specification --- */

static struct oci_device *spec_device(struct oci_spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->linux_.n_devices; i++) {
		if (str_eq(spec->linux_.devices[i].path, path))
			return &spec->linux_.devices[i];
	}
	return NULL;
}

/* Replaces the host's numbers in device rules by the guest's. All at once at the end, since the new
 * number of one device may be the old number of another. */
struct number {
	const char *type;
	int64_t major, minor, new_major, new_minor;
};

struct update {
	struct oci_spec *spec;
	VEC(struct number) numbers;
};

static void renumber_rules(struct update *u)
{
	struct oci_resources *r = u->spec->linux_.resources;

	for (size_t i = 0; r && i < r->n_devices; i++) {
		struct oci_device_rule *rule = &r->devices[i];

		vec_each(struct number, n, &u->numbers) {
			if (!str_eq(rule->type, n->type) || !rule->major.set || !rule->minor.set ||
			    rule->major.v != n->major || rule->minor.v != n->minor)
				continue;
			rule->major.v = n->new_major;
			rule->minor.v = n->new_minor;
			break;
		}
	}
}

static int update_spec(struct update *u, const char *container_path, const char *node,
		       struct err *err)
{
	struct oci_device *device = spec_device(u->spec, container_path);
	struct number number;
	struct stat st;

	if (stat(node, &st) < 0)
		return err_sys(err, "device %s", node);
	if (!device)
		return err_set(err, E_INVALID, "the specification has no device %.256s",
			       container_path);
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a device", node);
	str_set(&device->type, S_ISBLK(st.st_mode) ? "b" : "c");
	number = (struct number){ device->type, device->major, device->minor, major(st.st_rdev),
				  minor(st.st_rdev) };
	vec_push(&u->numbers, number);
	device->major = major(st.st_rdev);
	device->minor = minor(st.st_rdev);
	return 0;
}

static int add_block(const Grpc__Device *d, struct update *u, struct deadline deadline,
		     struct err *err)
{
	bool by_node = str_eq(d->type, "mmioblk") || str_eq(d->type, "nvdimm");
	AUTO(str) char *node = device_block(d->type, by_node ? d->vm_path : d->id, deadline, err);

	return node ? update_spec(u, d->container_path, node, err) : -1;
}

/* --- vfio --- */

static int probe_pci(void *arg, struct err *err)
{
	struct search *s = arg;

	(void)err;
	free(s->node);
	s->node = pci_resolve("/sys", s->pci);
	return s->node != NULL;
}

/* "0000:1a:00.0=02/01": the host's address and the guest's path. Returns the device's directory. */
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
		return s.node;
	free(s.node);
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

/* The name of the device's IOMMU group. */
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

static int add_group_node(const Grpc__Device *d, struct update *u, const char *group,
			  struct deadline deadline, struct err *err)
{
	AUTO(str) char *node = path_join("/dev/vfio", group);

	if (uevent_wait(probe_any, node, deadline, node, err) < 0)
		return -1;
	return update_spec(u, d->container_path, node, err);
}

static int add_vfio(const Grpc__Device *d, struct update *u, struct deadline deadline,
		    struct err *err)
{
	AUTO(str) char *group = NULL;

	for (size_t i = 0; i < d->n_options; i++) {
		AUTO(str) char *device = wait_vfio(d->options[i], deadline, err);
		AUTO(str) char *its = NULL;

		if (!device || bind_to_vfio(device, err) < 0 || !(its = group_of(device, err)))
			return -1;
		if (group && !str_eq(group, its))
			return err_set(err, E_INVALID, "%s is in IOMMU group %s, not %s",
				       d->options[i], its, group);
		str_set(&group, its);
	}
	if (!group)
		return err_set(err, E_INVALID, "device %.64s lists no PCI function", d->id);
	return add_group_node(d, u, group, deadline, err);
}

/* The guest's own driver uses the device: it needs no node, but must be present. */
static int add_vfio_guest_kernel(const Grpc__Device *d, struct update *u, struct deadline deadline,
				 struct err *err)
{
	(void)u;
	for (size_t i = 0; i < d->n_options; i++) {
		AUTO(str) char *device = wait_vfio(d->options[i], deadline, err);

		if (!device)
			return -1;
	}
	return 0;
}

/* --- PCIDEVICE_* of the environment --- */

/* The guest's PCI address of the device with PCI address host on the host. */
static char *guest_address(const Grpc__CreateContainerRequest *r, const char *host)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		for (size_t k = 0; k < r->devices[i]->n_options; k++) {
			const char *option = r->devices[i]->options[k];
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

static void rewrite_environment(const Grpc__CreateContainerRequest *r, struct oci_spec *spec)
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
			AUTO(str) char *guest = guest_address(r, *host);

			strv_push(&guests, guest ? guest : *host);
		}
		joined = strv_join(guests, ",");
		str_set(&joined, joined ? joined : "");
		AUTO(str) char *line = str_fmt("%.*s=%s", (int)(equal - *e), *e, joined);
		str_set(e, line);
	}
}

/* --- the table --- */

static const struct handler {
	const char *type;
	int (*add)(const Grpc__Device *d, struct update *u, struct deadline deadline,
		   struct err *err);
} handlers[] = {
	{ "blk", add_block },
	{ "mmioblk", add_block },
	{ "nvdimm", add_block },
	{ "scsi", add_block },
	{ "vfio", add_vfio },
	{ "vfio-pci", add_vfio },
	{ "vfio-gk", add_vfio_guest_kernel },
	{ "vfio-pci-gk", add_vfio_guest_kernel },
};

static int add_one(const Grpc__Device *d, struct update *u, struct deadline deadline,
		   struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (str_eq(handlers[i].type, d->type))
			return handlers[i].add(d, u, deadline, err);
	}
	return err_set(err, E_UNSUPPORTED, "device type '%.64s' is not supported", d->type);
}

int device_add_all(const Grpc__CreateContainerRequest *r, struct oci_spec *spec,
		   struct deadline deadline, struct err *err)
{
	struct update u = { .spec = spec };
	int result = 0;

	for (size_t i = 0; result == 0 && i < r->n_devices; i++) {
		const Grpc__Device *d = r->devices[i];

		if (add_one(d, &u, deadline, err) < 0)
			result = err_wrap(err, "device %.64s (%.32s)",
					  *d->container_path ? d->container_path : d->id, d->type);
	}
	renumber_rules(&u);
	rewrite_environment(r, spec);
	vec_release(&u.numbers);
	return result;
}
