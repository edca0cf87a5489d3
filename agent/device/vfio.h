// SPDX-License-Identifier: Apache-2.0
#pragma once

/* PCI devices of the host that are passed through to the VM. Any thread. */

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

/* For a container that drives the device itself: waits for the device's PCI functions, binds them
 * to vfio-pci, and returns the path of the node of their IOMMU group, heap. */
char *vfio_node(const Grpc__Device *d, struct deadline deadline, struct err *err);
/* For a device that the guest's own driver serves: waits for its PCI functions. */
MUST_CHECK int vfio_await(const Grpc__Device *d, struct deadline deadline, struct err *err);

/* In PCIDEVICE_* of the process's environment, replaces the host's PCI addresses by the guest's. */
void vfio_rewrite_environment(Grpc__Device *const *devices, size_t n, struct oci_spec *spec);
