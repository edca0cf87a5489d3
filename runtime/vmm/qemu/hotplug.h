// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Devices that come and go while QEMU runs. One list per VM of what was plugged, and where.
 *
 *	struct hotplug *h = hotplug_new(qmp, config, kvm);
 *	hotplug_add(h, "disk0", &device, &address, deadline, err)
 *	hotplug_remove(h, "disk0", deadline, err)
 *	hotplug_free(h);	// before qmp_free
 *
 * A device has two halves in QEMU: what it is on the host (a block node, a netdev) and what the
 * guest sees. The second is made after the first and goes before it; a half whose other half fails
 * is undone. If QEMU does not say what became of it, its address is not used again.
 *
 * A virtio-blk disk or a network card takes a slot behind the bridge (cmdline.h), of which there are 30;
 * a SCSI disk takes an address of the controller, of which there are enough.
 *
 * Any thread but the loop's; several at once.
 */

#include "vmm/qemu/qmp.h"
#include "vmm/vmm.h"

struct hotplug;

/* config must outlive it; kvm: QEMU runs with it, so vhost may be used. */
struct hotplug *hotplug_new(struct qmp *q, const struct runtime_config *config, bool kvm);
/* Forgets; QEMU is left as it is. NULL is accepted. */
void hotplug_free(struct hotplug *h);

/* These are vmm_ops' can, will, add, remove and grow. */
bool hotplug_can(const struct hotplug *h, enum vmm_capability what);
MUST_CHECK int hotplug_will(const struct runtime_config *config, enum vmm_capability what,
			    struct err *err);
MUST_CHECK int hotplug_add(struct hotplug *h, const char *id, const struct vmm_device *d,
			   struct vmm_address *address, struct deadline deadline, struct err *err);
MUST_CHECK int hotplug_remove(struct hotplug *h, const char *id, struct deadline deadline,
			      struct err *err);
MUST_CHECK int hotplug_grow(struct hotplug *h, const char *id, uint64_t bytes,
			    struct deadline deadline, struct err *err);
