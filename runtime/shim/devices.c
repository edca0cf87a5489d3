// SPDX-License-Identifier: Apache-2.0
/* Finds the disks of a container, and describes them to the agent. */

#include "shim/devices.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "device/block.h"
#include "device/volume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { UNPLUG_MS = 10000 };

static void device_release(struct device *d)
{
	free(d->host);
	free(d->node);
	free(d->mount_point);
	free(d->fstype);
	free(d->host_number);
	free(d->volume);
	strv_free(d->options);
}

void devices_release(struct devices *d)
{
	vec_each(struct device, device, &d->list)
		device_release(device);
	vec_release(&d->list);
	strv_free(STEAL(d->left_out, NULL));
	vec_release(&d->devices);
	vec_release(&d->storages);
}

/* --- devices of the specification --- */

static bool is_for(const struct oci_device_rule *rule, const struct oci_device *device)
{
	return (str_empty(rule->type) || str_eq(rule->type, "a") ||
		str_eq(rule->type, device->type)) &&
	       (!rule->major.set || rule->major.v < 0 || rule->major.v == device->major) &&
	       (!rule->minor.set || rule->minor.v < 0 || rule->minor.v == device->minor);
}

/* True if the device rules let the container write to the device. The last rule that fits decides;
 * without one it may. */
static bool may_write(const struct oci_spec *spec, const struct oci_device *device)
{
	const struct oci_resources *r = spec->linux_.resources;
	bool may = true;

	for (size_t i = 0; r && i < r->n_devices; i++) {
		const struct oci_device_rule *rule = &r->devices[i];

		if (is_for(rule, device) && (str_empty(rule->access) || strchr(rule->access, 'w')))
			may = rule->allow;
	}
	return may;
}

static bool may_use_all(const struct oci_spec *spec)
{
	const struct oci_resources *r = spec->linux_.resources;
	bool all = false;

	for (size_t i = 0; r && i < r->n_devices; i++) {
		if (str_empty(r->devices[i].type) || str_eq(r->devices[i].type, "a"))
			all = r->devices[i].allow;
	}
	return all;
}

/* True for a device of a privileged container under its name on the host. Such a specification
 * lists every device of the host, its own disks included, so the list does not tell which ones the
 * container needs; it gets none of them. */
static bool is_listed_with_all(const struct oci_spec *spec, const struct oci_device *device,
			       const struct block_device *host)
{
	return may_use_all(spec) && str_eq(device->path, host->path);
}

static int find_device(struct devices *d, const struct oci_spec *spec,
		       const struct oci_device *device, struct err *err)
{
	AUTO(block_device) struct block_device host = BLOCK_DEVICE_NONE;
	struct device new = { .disk = NULL };

	if (block_find(makedev((unsigned)device->major, (unsigned)device->minor), &host, err) < 0)
		return -1;
	if (!host.size) {
		log_info("a block device of the host is not given to the VM: it is empty",
			 LOG_S("device", host.path));
		return 0;
	}
	if (is_listed_with_all(spec, device, &host)) {
		strv_push(&d->left_out, device->path);
		return 0;
	}
	new.host = STEAL(host.path, NULL);
	new.readonly = host.readonly || !may_write(spec, device);
	new.number = makedev((unsigned)device->major, (unsigned)device->minor);
	new.node = xstrdup(device->path);
	vec_push(&d->list, new);
	return 0;
}

int devices_find(struct devices *d, const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->linux_.n_devices; i++) {
		const struct oci_device *device = &spec->linux_.devices[i];

		if (str_eq(device->type, "b") && find_device(d, spec, device, err) < 0)
			return err_wrap(err, "device %s", device->path);
	}
	if (d->left_out)
		log_warn("the node's block devices are not given to a privileged container; one "
			 "that it needs can be a volume of the mode Block. Set "
			 "privileged_without_host_devices for this handler",
			 LOG_I("devices", strv_len(d->left_out)));
	return 0;
}

void devices_leave_out(const struct devices *d, struct oci_spec *guest)
{
	struct oci_linux *l = &guest->linux_;
	size_t n = 0;

	for (size_t i = 0; i < l->n_devices; i++) {
		if (str_eq(l->devices[i].type, "b") && strv_has(d->left_out, l->devices[i].path))
			oci_device_release(&l->devices[i]);
		else
			l->devices[n++] = l->devices[i];
	}
	l->n_devices = n;
}

int devices_check(const struct devices *d, const struct runtime_config *config, struct err *err)
{
	if (d->list.n && vmm_for(config)->will(config, VMM_CAN_PLUG_DISK, err) < 0)
		return err_wrap(err, "disk %s", d->list.v[0].host);
	return 0;
}

/* --- limits of block I/O --- */

struct limited {
	const struct devices *devices;
	char **unknown; /* strv */
};

static bool is_in_vm(void *arg, int64_t *major_number, int64_t *minor_number)
{
	struct limited *l = arg;
	AUTO(str) char *name = NULL;

	vec_each(const struct device, device, &l->devices->list) {
		if (device->number && major(device->number) == *major_number &&
		    minor(device->number) == *minor_number)
			return true;
	}
	name = str_fmt("%" PRId64 ":%" PRId64, *major_number, *minor_number);
	if (!strv_has(l->unknown, name))
		strv_push(&l->unknown, name);
	return false;
}

void devices_limit(const struct devices *d, struct oci_resources *r)
{
	struct limited l = { d, NULL };
	AUTO(str) char *names = NULL;

	oci_resources_map_disks(r, is_in_vm, &l);
	if (l.unknown) {
		names = strv_join(l.unknown, " ");
		log_warn("limits of block I/O are left out: these disks of the node are not given "
			 "to the container",
			 LOG_S("devices", names));
	}
	strv_free(l.unknown);
}

/* --- file systems --- */

/* Of a file system: how the agent learns the number of its disk on the host. */
static void note_number(struct device *d)
{
	struct stat st;

	if (stat(d->host, &st) < 0 || !S_ISBLK(st.st_mode))
		return;
	d->number = st.st_rdev;
	d->host_number = str_fmt("kata.host_device=%u:%u", major(d->number), minor(d->number));
}

/* True for the file systems of our guest's kernel. */
static bool guest_has(const char *fstype)
{
	static const char *const known[] = { "ext4", "xfs", "erofs" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(fstype, known[i]))
			return true;
	}
	return false;
}

bool devices_can_mount(const struct device_mount *m)
{
	struct stat st;

	if (!guest_has(m->fstype) || stat(m->source, &st) < 0)
		return false;
	return S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && strv_has(m->options, "loop"));
}

void devices_add_mount(struct devices *d, const struct device_mount *m)
{
	struct device new = { .host = xstrdup(m->source),
			      .readonly = strv_has(m->options, "ro"),
			      .mount_point = xstrdup(m->mount_point),
			      .fstype = xstrdup(m->fstype) };

	strv_each(option, m->options) {
		if (!str_eq(*option, "loop"))
			strv_push(&new.options, *option);
	}
	note_number(&new);
	vec_push(&d->list, new);
}

/* --- direct-assigned volumes --- */

/* The disk is read-only if the volume is. Whether this container may write depends on its own
 * mount. */
static void add_volume(struct devices *d, const char *path, struct volume *v)
{
	AUTO(str) char *name = volume_name(path);
	struct device new = { .host = STEAL(v->device, NULL),
			      .readonly = strv_has(v->options, "ro"),
			      .mount_point = str_fmt(DEVICES_VOLUME_DIR "/%s", name),
			      .fstype = STEAL(v->fstype, NULL),
			      .options = STEAL(v->options, NULL),
			      .volume = xstrdup(path),
			      .has_group = v->has_group };

	grpc__fsgroup__init(&new.group);
	new.group.group_id = v->group;
	new.group.group_change_policy = v->on_mismatch_only
						? TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch
						: TYPES__FSGROUP_CHANGE_POLICY__Always;
	note_number(&new);
	vec_push(&d->list, new);
}

int devices_find_volumes(struct devices *d, struct oci_spec *guest, struct err *err)
{
	for (size_t i = 0; i < guest->n_mounts; i++) {
		AUTO(volume) struct volume v = VOLUME_NONE;
		struct oci_mount *m = &guest->mounts[i];
		AUTO(str) char *path = NULL;
		int found;

		if (str_empty(m->source) || *m->source != '/')
			continue;
		path = path_clean(m->source);
		found = volume_find(path, &v, err);
		if (found < 0)
			return err_wrap(err, "mount %s", m->destination);
		if (found) {
			add_volume(d, path, &v);
			str_set(&m->source, d->list.v[d->list.n - 1].mount_point);
			str_set(&m->type, "bind");
		}
	}
	return 0;
}

/* --- in the VM --- */

int devices_plug(struct devices *d, struct vm *vm, struct deadline deadline, struct err *err)
{
	vec_each(struct device, device, &d->list) {
		if (vm_plug_disk(vm, device->host, device->readonly, &device->disk, deadline, err) <
		    0)
			return device->node ? err_wrap(err, "device %s", device->node) : -1;
	}
	return 0;
}

static const char *driver_of(const struct vmm_address *address)
{
	return *address->scsi ? "scsi" : "blk";
}

static const char *source_of(const struct vmm_address *address)
{
	return *address->scsi ? address->scsi : address->pci;
}

static void describe(struct device *d)
{
	grpc__device__init(&d->device);
	d->device.type = (char *)driver_of(&d->disk->address);
	d->device.id = (char *)source_of(&d->disk->address);
	d->device.container_path = d->node;
	grpc__storage__init(&d->storage);
	d->storage.driver = d->device.type;
	d->storage.source = d->device.id;
	d->storage.mount_point = d->mount_point;
	d->storage.fstype = d->fstype;
	d->storage.options = d->options;
	d->storage.n_options = strv_len(d->options);
	d->storage.fs_group = d->has_group ? &d->group : NULL;
	d->storage.driver_options = &d->host_number;
	d->storage.n_driver_options = d->host_number ? 1 : 0;
}

void devices_describe(struct devices *d, const struct storages *others,
		      Grpc__CreateContainerRequest *request)
{
	vec_each(struct device, device, &d->list) {
		describe(device);
		if (device->node)
			vec_push(&d->devices, &device->device);
		else
			vec_push(&d->storages, &device->storage);
	}
	for (size_t i = 0; i < others->n; i++)
		vec_push(&d->storages, others->v[i]);
	request->devices = d->devices.v;
	request->n_devices = d->devices.n;
	request->storages = d->storages.v;
	request->n_storages = d->storages.n;
}

void devices_unplug(struct devices *d, struct vm *vm)
{
	vec_each(struct device, device, &d->list) {
		struct disk *disk = STEAL(device->disk, NULL);
		struct err err = ERR_INIT;

		if (disk && vm_unplug_disk(vm, disk, deadline_in(UNPLUG_MS), &err) < 0)
			log_err(err.code == E_GONE ? LOG_DEBUG : LOG_WARN, &err,
				"a disk stays in the VM");
	}
}
