// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Changes the number of processors and the memory of a running QEMU. Processors are plugged into
 * free slots that the command line provides. Memory is one virtio-mem device (enable_virtio_mem),
 * which can grow and shrink, or DIMMs, which are never unplugged.
 *
 * A processor is never unplugged: an idle one costs the host nothing, and QEMU 7.2 without KVM
 * corrupts its heap when one is unplugged.
 */

#include "vmm/vmm.h"

struct qemu_growth;

/* Returns the state for vmm->growth. r->config must outlive it. */
struct qemu_growth *qemu_growth_new(const struct vmm_request *r);
/* NULL is accepted. */
void qemu_growth_free(struct qemu_growth *g);

/* vmm_ops.most and vmm_ops.resize. */
struct vmm_size qemu_most(const struct vmm *vmm);
MUST_CHECK int qemu_resize(struct vmm *vmm, const struct vmm_size *wanted, struct vmm_size *got,
			   struct deadline deadline, struct err *err);
