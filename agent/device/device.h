// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Devices that the runtime plugs into the VM for a container: waits for them, and updates the
 * container's specification. Any thread; there is no shared state.
 *
 * A device is described by the protocol's own struct, as plain data: nothing here knows ttRPC.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

/* The numbers of a container's devices on the host and in the guest. */
struct device_number {
	const char *type; /* "b" or "c" */
	int64_t major, minor, new_major, new_minor;
};

struct device_numbers {
	VEC(struct device_number) list;
};

/* Waits for every device. Replaces its device number in the specification's list of devices by the
 * guest's, and adds both numbers to the list. Errors name the device. */
MUST_CHECK int device_add_all(Grpc__Device *const *devices, size_t n, struct oci_spec *spec,
			      struct device_numbers *numbers, struct deadline deadline,
			      struct err *err);
/* The same for the disk of a storage that was mounted, if the runtime has told its number on the
 * host (DEVICE_HOST_NUMBER); else adds nothing. */
MUST_CHECK int device_note_storage(const Grpc__Storage *s, struct device_numbers *numbers,
				   struct deadline deadline, struct err *err);
/* Replaces the devices' numbers in device rules and limits of block I/O by the guest's, in the
 * resources of a specification or of an update, which has all of them again. resources may be
 * NULL. */
void device_renumber(const struct device_numbers *numbers, struct oci_resources *resources);

/* Driver option of a storage on a disk: "MAJOR:MINOR" of the disk on the host
 * (docs/protocol/agent.md). */
#define DEVICE_HOST_NUMBER "kata.host_device="
