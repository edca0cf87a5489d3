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

/* The old and new numbers of a device. Device rules are renumbered for all devices at once at the
 * end, since the new number of one device may be the old number of another. */
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

/* Puts type and number of the node into the specification's device at container_path. */
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
		   struct deadline deadline, struct err *err)
{
	struct update u = { .spec = spec };
	int result = 0;

	for (size_t i = 0; result == 0 && i < n; i++) {
		const Grpc__Device *d = devices[i];

		if (add_one(d, &u, deadline, err) < 0)
			result = err_wrap(err, "device %.64s (%.32s)",
					  *d->container_path ? d->container_path : d->id, d->type);
	}
	renumber_rules(&u);
	vfio_rewrite_environment(devices, n, spec);
	vec_release(&u.numbers);
	return result;
}
