// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Plugs devices into a running QEMU and unplugs them. One list per VM has the plugged devices and
 * their addresses.
 *
 *	struct hotplug *h = hotplug_new(qmp, config, kvm);
 *	hotplug_add(h, "disk0", &device, &address, deadline, err)
 *	hotplug_remove(h, "disk0", deadline, err)
 *	hotplug_free(h);	// before qmp_free
 *
 * A device in QEMU has a back end on the host (a block node, a netdev) and a front end, which the
 * guest sees. The front end is made after the back end and removed before it. If one of them fails,
 * the other one is undone. A device that the guest does not let go of by the deadline is left: its
 * address stays taken until the guest does, and then its back end is closed too.
 *
 * A virtio-blk disk or a network card takes one of 30 slots behind the bridge (cmdline.h), a SCSI
 * disk one of 65536 addresses of the controller.
 *
 * Any thread but the loop's, several at once.
 */

#include "vmm/qemu/qmp.h"
#include "vmm/vmm.h"

struct hotplug;

/* q and config must outlive it. kvm: QEMU runs with KVM, so vhost may be used. */
struct hotplug *hotplug_new(struct qmp *q, const struct runtime_config *config, bool kvm);
/* Frees the list; QEMU keeps the devices. NULL is accepted. */
void hotplug_free(struct hotplug *h);

/* can, will, add, remove and grow of vmm_ops. */
bool hotplug_can(const struct hotplug *h, enum vmm_capability what);
MUST_CHECK int hotplug_will(const struct runtime_config *config, enum vmm_capability what,
			    struct err *err);
MUST_CHECK int hotplug_add(struct hotplug *h, const char *id, const struct vmm_device *d,
			   struct vmm_address *address, struct deadline deadline, struct err *err);
MUST_CHECK int hotplug_remove(struct hotplug *h, const char *id, struct deadline deadline,
			      struct err *err);
MUST_CHECK int hotplug_grow(struct hotplug *h, const char *id, uint64_t bytes,
			    struct deadline deadline, struct err *err);
