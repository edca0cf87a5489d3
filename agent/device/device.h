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
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

/* Waits for every device. Replaces its device number in the specification, in the list of devices
 * and in the device rules, by the guest's. Errors name the device. */
MUST_CHECK int device_add_all(Grpc__Device *const *devices, size_t n, struct oci_spec *spec,
			      struct deadline deadline, struct err *err);
