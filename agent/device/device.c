// SPDX-License-Identifier: Apache-2.0
/*
 * A table of device types, each with a handler that waits for the device and puts the guest's
 * device numbers into the specification.
 */

#include "agent/device/device.h"

#include "agent/device/block.h"
#include "agent/device/vfio.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static struct oci_device *spec_device(struct oci_spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->linux_.n_devices; i++) {
		if (str_eq(spec->linux_.devices[i].path, path))
			return &spec->linux_.devices[i];
	}
	return NULL;
}

struct update {
	struct oci_spec *spec;
	struct device_numbers *numbers;
};

/* --- numbers --- */

/* For all devices at once, since the new number of one may be the old number of another. */
static void renumber_rules(const struct device_numbers *numbers, struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		struct oci_device_rule *rule = &r->devices[i];

		vec_each(const struct device_number, n, &numbers->list) {
			if (!str_eq(rule->type, n->type) || !rule->major.set || !rule->minor.set ||
			    rule->major.v != n->major || rule->minor.v != n->minor)
				continue;
			rule->major.v = n->new_major;
			rule->minor.v = n->new_minor;
			break;
		}
	}
}

static bool renumber(void *arg, int64_t *major, int64_t *minor)
{
	const struct device_numbers *numbers = arg;

	vec_each(const struct device_number, n, &numbers->list) {
		if (!str_eq(n->type, "b") || n->major != *major || n->minor != *minor)
			continue;
		*major = n->new_major;
		*minor = n->new_minor;
		break;
	}
	return true;
}

void device_renumber(const struct device_numbers *numbers, struct oci_resources *resources)
{
	if (!resources)
		return;
	renumber_rules(numbers, resources);
	oci_resources_map_disks(resources, renumber, (void *)numbers);
}

static void add_number(struct device_numbers *numbers, const struct stat *st, int64_t host_major,
		       int64_t host_minor)
{
	struct device_number number = { S_ISBLK(st->st_mode) ? "b" : "c", host_major, host_minor,
					major(st->st_rdev), minor(st->st_rdev) };

	vec_push(&numbers->list, number);
}

/* Puts type and number of the node into the specification's device at container_path. */
static int update_spec(struct update *u, const char *container_path, const char *node,
		       struct err *err)
{
	struct oci_device *device = spec_device(u->spec, container_path);
	struct stat st;

	if (stat(node, &st) < 0)
		return err_sys(err, "device %s", node);
	if (!device)
		return err_set(err, E_INVALID, "the specification has no device %.256s",
			       container_path);
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a device", node);
	str_set(&device->type, S_ISBLK(st.st_mode) ? "b" : "c");
	add_number(u->numbers, &st, device->major, device->minor);
	device->major = major(st.st_rdev);
	device->minor = minor(st.st_rdev);
	return 0;
}

/* --- the table --- */

static int add_block(const Grpc__Device *d, struct update *u, struct deadline deadline,
		     struct err *err)
{
	bool by_node = str_eq(d->type, "mmioblk") || str_eq(d->type, "nvdimm");
	AUTO(str) char *node = device_block(d->type, by_node ? d->vm_path : d->id, deadline, err);

	return node ? update_spec(u, d->container_path, node, err) : -1;
}

static int add_vfio(const Grpc__Device *d, struct update *u, struct deadline deadline,
		    struct err *err)
{
	AUTO(str) char *node = vfio_node(d, deadline, err);

	return node ? update_spec(u, d->container_path, node, err) : -1;
}

static int add_vfio_guest_kernel(const Grpc__Device *d, struct update *u, struct deadline deadline,
				 struct err *err)
{
	(void)u;
	return vfio_await(d, deadline, err);
}

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

int device_add_all(Grpc__Device *const *devices, size_t n, struct oci_spec *spec,
		   struct device_numbers *numbers, struct deadline deadline, struct err *err)
{
	struct update u = { spec, numbers };
	int result = 0;

	for (size_t i = 0; result == 0 && i < n; i++) {
		const Grpc__Device *d = devices[i];

		if (add_one(d, &u, deadline, err) < 0)
			result = err_wrap(err, "device %.64s (%.32s)",
					  *d->container_path ? d->container_path : d->id, d->type);
	}
	vfio_rewrite_environment(devices, n, spec);
	return result;
}

/* Reads "MAJOR:MINOR". */
static int parse_number(const char *text, uint64_t *major, uint64_t *minor, struct err *err)
{
	AUTO(strv) char **parts = strv_split(text, ":");

	if (strv_len(parts) != 2)
		return err_set(err, E_INVALID, "'%.64s' is no device number", text);
	return str_u64(parts[0], 10, 0, UINT32_MAX, "device number", major, err) < 0
		       ? -1
		       : str_u64(parts[1], 10, 0, UINT32_MAX, "device number", minor, err);
}

int device_note_storage(const Grpc__Storage *s, struct device_numbers *numbers,
			struct deadline deadline, struct err *err)
{
	const char *number = NULL;
	uint64_t major, minor;
	struct stat st;

	for (size_t i = 0; i < s->n_driver_options; i++) {
		if (str_starts(s->driver_options[i], DEVICE_HOST_NUMBER))
			number = s->driver_options[i] + strlen(DEVICE_HOST_NUMBER);
	}
	if (!number)
		return 0;
	AUTO(str) char *node = device_block(s->driver, s->source, deadline, err);
	if (!node || parse_number(number, &major, &minor, err) < 0)
		return -1;
	if (stat(node, &st) < 0)
		return err_sys(err, "device %s", node);
	add_number(numbers, &st, (int64_t)major, (int64_t)minor);
	return 0;
}
