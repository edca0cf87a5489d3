// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Host devices passed through (vfio). Any thread. */

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

/* Waits for the device's PCI functions, gives them to vfio-pci and returns the node of their IOMMU
 * group, heap. */
char *vfio_node(const Grpc__Device *d, struct deadline deadline, struct err *err);
/* The guest's own driver uses the device: it needs no node, but must be present. */
MUST_CHECK int vfio_await(const Grpc__Device *d, struct deadline deadline, struct err *err);

/* Puts the guest's PCI addresses into PCIDEVICE_* of the environment, which have the host's. */
void vfio_rewrite_environment(Grpc__Device *const *devices, size_t n, struct oci_spec *spec);
