// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Devices that the runtime plugs into the VM: waiting for them, and adding them to a container's
 * specification. Any thread; there is no shared state.
 *
 * A device is described by the protocol's own struct, which is plain data; what carries it is not
 * known here.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

/* Waits for every device and puts node, number and access into the specification. */
MUST_CHECK int device_add_all(Grpc__Device *const *devices, size_t n, struct oci_spec *spec,
			      struct deadline deadline, struct err *err);
