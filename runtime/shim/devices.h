// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The disks of a container: block devices of the host that its specification lists, a root file
 * system on a block device, and direct-assigned volumes. They are found before the VM starts and
 * plugged in once it runs. CreateContainer then describes them to the agent, which puts the guest's
 * device numbers and nodes into the specification.
 *
 *	struct devices list = DEVICES_INIT;
 *	devices_find(&list, spec, err), devices_find_volumes(&list, guest, err)
 *	devices_check(&list, config, err)
 *	devices_leave_out(&list, guest)
 *	devices_plug(&list, vm, deadline, err)
 *	devices_describe(&list, &others, &request)	// borrowed from both
 *	...
 *	devices_unplug(&list, vm)		// after the agent has removed the container
 *	devices_release(&list)
 *
 * One flow at a time.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/vm.h"
#include "share/storage.h"

#include <sys/types.h>

/* Where the guest mounts direct-assigned volumes. */
#define DEVICES_VOLUME_DIR "/run/kata-containers/sandbox/storage"

struct device {
	char *host; /* a block device, or an image file */
	bool readonly;
	dev_t number;      /* 0: it is an image file */
	struct disk *disk; /* NULL: not plugged in */
	char *node;        /* of a device: its path in the container; NULL for a file system */
	/* Of a file system: where the guest mounts it, and how. */
	char *mount_point, *fstype, **options;
	char *host_number; /* driver option of its storage (docs/protocol/agent.md), or NULL */
	char *volume;      /* path of the direct-assigned volume (device/volume.h), or NULL */
	bool has_group;
	Grpc__FSGroup group;
	Grpc__Device device;
	Grpc__Storage storage;
};

struct devices {
	VEC(struct device) list;
	char **left_out;               /* strv: listed devices that it does not get */
	VEC(Grpc__Device *) devices;   /* for the request; pointers into list */
	VEC(Grpc__Storage *) storages; /* likewise, and those of others */
};

#define DEVICES_INIT                               \
	{                                          \
		VEC_INIT, NULL, VEC_INIT, VEC_INIT \
	}

/*
 * Adds the block devices of the specification. Not added are a device without a medium, and the
 * node's own devices that a privileged container lists, which go to left_out with a warning.
 * E_NOT_FOUND, E_STATE: as block_find().
 */
MUST_CHECK int devices_find(struct devices *d, const struct oci_spec *spec, struct err *err);

/* Removes the devices in left_out from the guest's specification: in the guest the same numbers may
 * be another container's disks. */
void devices_leave_out(const struct devices *d, struct oci_spec *guest);

/* Removes limits of block I/O for disks that the list does not have, with a warning: in the guest
 * their numbers mean other disks, or none. The agent replaces the numbers of those that stay. */
void devices_limit(const struct devices *d, struct oci_resources *r);

struct device_mount {
	const char *source, *fstype;
	char *const *options;    /* strv */
	const char *mount_point; /* in the guest */
};
/* True if the guest can make the mount itself: a file system that its kernel has, on a block device
 * or in a regular file with the option "loop". */
bool devices_can_mount(const struct device_mount *m);
/* Adds the source of such a mount. */
void devices_add_mount(struct devices *d, const struct device_mount *m);

/* Adds the direct-assigned volumes among the mounts of the guest's specification, and replaces the
 * sources of these mounts by the paths in the guest. */
MUST_CHECK int devices_find_volumes(struct devices *d, struct oci_spec *guest, struct err *err);

/* E_UNSUPPORTED, with a hint: the list has disks, and a VM of this configuration cannot take
 * any. */
MUST_CHECK int devices_check(const struct devices *d, const struct runtime_config *config,
			     struct err *err);
/* Plugs all of them in. After a failure devices_unplug() takes out those that were plugged in. */
MUST_CHECK int devices_plug(struct devices *d, struct vm *vm, struct deadline deadline,
			    struct err *err);
/* Sets the request's devices and storages: first those on the disks, then the others, whose mount
 * points may be on one of these. The request borrows from both. */
void devices_describe(struct devices *d, const struct storages *others,
		      Grpc__CreateContainerRequest *request);
/* Takes the disks out of the VM, except those that another container uses. Failures are logged. */
void devices_unplug(struct devices *d, struct vm *vm);
void devices_release(struct devices *d);
