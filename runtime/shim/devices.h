// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The disks of a container: block devices of the host that its specification lists, a root file system
 * on one, and direct-assigned volumes. They are found before the VM starts, plugged in once it runs, and told to the agent
 * with CreateContainer, which puts the guest's numbers and nodes in the place of the host's.
 *
 *	struct devices list = DEVICES_INIT;
 *	devices_find(&list, spec, err), devices_find_volumes(&list, guest, err)
 *	devices_check(&list, config, err)
 *	devices_plug(&list, vm, deadline, err)
 *	devices_describe(&list, &others, &request)	// borrowed from both
 *	...
 *	devices_unplug(&list, vm)		// when the agent has let go of the container
 *	devices_release(&list)
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/vm.h"
#include "share/storage.h"

/* Where the guest mounts direct-assigned volumes. */
#define DEVICES_VOLUME_DIR "/run/kata-containers/sandbox/storage"

struct device {
	char *host; /* a block device, or an image file */
	bool readonly;
	struct disk *disk; /* NULL: not plugged in */
	char *node;        /* a device: its path in the container; else NULL */
	/* A file system: where the guest mounts it, and how. */
	char *mount_point, *fstype, **options;
	char *volume; /* the path of a direct-assigned volume (device/volume.h), or NULL */
	bool has_group;
	Grpc__FSGroup group;
	Grpc__Device device;
	Grpc__Storage storage;
};

struct devices {
	VEC(struct device) list;
	char **left_out; /* strv: paths of the node's own that a privileged container lists */
	VEC(Grpc__Device *) devices;   /* for the request */
	VEC(Grpc__Storage *) storages; /* likewise */
};

#define DEVICES_INIT                               \
	{                                          \
		VEC_INIT, NULL, VEC_INIT, VEC_INIT \
	}

/* Adds the block devices of the specification. One without a medium stays the guest's own. */
MUST_CHECK int devices_find(struct devices *d, const struct oci_spec *spec, struct err *err);

/* Takes out of the guest's specification what it is not given: by their numbers these nodes would be other
 * devices there, another container's disks. */
void devices_leave_out(const struct devices *d, struct oci_spec *guest);

struct device_mount {
	const char *source, *fstype;
	char *const *options;    /* strv */
	const char *mount_point; /* in the guest */
};
/* True if the guest can mount that itself: a file system that it knows, on a block device or in a file with
 * the option "loop". */
bool devices_can_mount(const struct device_mount *m);
/* Adds it. */
void devices_add_mount(struct devices *d, const struct device_mount *m);

/* Adds the direct-assigned volumes among the mounts of the guest's specification, whose sources become the
 * guest's. */
MUST_CHECK int devices_find_volumes(struct devices *d, struct oci_spec *guest, struct err *err);

/* E_UNSUPPORTED, with the remedy: there are some, and a VM of this configuration cannot be given any. */
MUST_CHECK int devices_check(const struct devices *d, const struct runtime_config *config,
			     struct err *err);
/* On failure what was plugged in stays until devices_unplug. */
MUST_CHECK int devices_plug(struct devices *d, struct vm *vm, struct deadline deadline,
			    struct err *err);
/* Fills in the request's devices, and its storages: those on the disks, and then the others, which may lie
 * on one of them. */
void devices_describe(struct devices *d, const struct storages *others,
		      Grpc__CreateContainerRequest *request);
/* Takes them out, unless another container uses them or the VM has ended. */
void devices_unplug(struct devices *d, struct vm *vm);
void devices_release(struct devices *d);
