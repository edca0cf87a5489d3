// SPDX-License-Identifier: Apache-2.0
#pragma once

/* QEMU's command line for a request. */

#include "base/str.h"
#include "vmm/vmm.h"

/*
 * Numbers in QEMU of what it inherits: vhost_vsock, then two for each device, then its ends of the
 * connections with us, then assets. It is given connections, so that it makes no socket, needs no
 * directory to write to, and nobody else can connect.
 */
enum {
	QEMU_VHOST_VSOCK_FD = 3,
	QEMU_QMP_FD = 54,
	QEMU_CONSOLE_FD,
	QEMU_AGENT_FD,
	QEMU_LOG_FD,
};

/* Those of the device with that index in the request: of a network card, */
static inline int qemu_tap_fd(size_t index)
{
	return QEMU_VHOST_VSOCK_FD + 1 + 2 * (int)index;
}

static inline int qemu_vhost_net_fd(size_t index)
{
	return qemu_tap_fd(index) + 1;
}

/* and the connection with a share's daemon. */
static inline int qemu_fs_fd(size_t index)
{
	return qemu_tap_fd(index);
}

/* Disks are on a SCSI controller, which must be there from the start. */
static inline bool qemu_has_scsi(const struct runtime_config *c)
{
	return str_eq(c->block_driver, "virtio-scsi") && !str_eq(c->machine_type, "microvm");
}

/*
 * Without KVM nobody but QEMU may write to the guest's memory: it translates code once per page, and
 * does not learn of what others write.
 */
static inline bool qemu_uses_vhost_net(const struct vmm_request *r, size_t index)
{
	return r->devices[index].nic.vhost >= 0 && str_eq(r->accelerator, "kvm");
}

/*
 * What is plugged in later goes behind a PCI bridge: it costs a boot next to nothing, where a PCI Express
 * port costs as much as a device, and takes one device only. No firmware that we use gives the bridge
 * addresses for devices to come, and the guest's kernel gives it only what it finds behind it, a
 * whole MiB of each kind: so one device is there from the start.
 */
enum { QEMU_BRIDGE_SLOT = 0x1e, QEMU_BRIDGE_FIRST = 2, QEMU_BRIDGE_PLACES = 30 };
static inline bool qemu_has_bridge(const struct runtime_config *c)
{
	return c->bridges > 0 && !str_eq(c->machine_type, "microvm");
}

/* Likewise that of an asset whose digest was checked. */
static inline int qemu_asset_fd(enum config_asset asset)
{
	return 63 - (int)asset;
}

static inline bool qemu_has_vsock(const struct vmm_request *r)
{
	return r->vhost_vsock >= 0;
}

/* True if another process than the VMM accesses the guest's memory. */
bool qemu_shares_memory(const struct vmm_request *r);

/* What a VM's growing needs on the command line: memory_slots, and a port for virtio-mem. */
#define QEMU_GROWTH_PORT "growth"
enum { QEMU_MEMORY_STEP = 128 }; /* MiB: what a guest on x86 can be given at least */
bool qemu_grows_cpus(const struct vmm_request *r);
uint64_t qemu_grows_memory(const struct vmm_request *r); /* by how many MiB at most */

/* strv, heap. */
char **qemu_command_line(const struct vmm_request *r);
