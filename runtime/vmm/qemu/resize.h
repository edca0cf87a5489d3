// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A running QEMU's processors and memory. Processors are plugged into the slots that the command line
 * left free. Memory comes as one virtio-mem device (enable_virtio_mem), whose size is changed
 * both ways, or as DIMMs, which stay.
 *
 * A processor is never unplugged: an idle one costs the host nothing, and QEMU 7.2 corrupts its heap
 * when one goes without KVM.
 */

#include "vmm/vmm.h"

struct qemu_growth;

/* For vmm->growth. */
struct qemu_growth *qemu_growth_new(const struct vmm_request *r);
/* NULL is accepted. */
void qemu_growth_free(struct qemu_growth *g);

/* vmm_ops' can, of these two capabilities, and resize. */
bool qemu_can_grow(const struct vmm *vmm, enum vmm_capability what);
MUST_CHECK int qemu_resize(struct vmm *vmm, const struct vmm_size *wanted, struct vmm_size *got,
			   struct deadline deadline, struct err *err);
