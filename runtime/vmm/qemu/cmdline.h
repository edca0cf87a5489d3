// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * QEMU's command line for a request, and the numbers of the fds that it names. QEMU is given
 * connected sockets as fds: so it makes no socket itself, needs no directory to write to, and
 * nobody else can connect.
 */

#include "base/str.h"
#include "vmm/vmm.h"

/*
 * Numbers of QEMU's fds: vhost_vsock, then two for each device, then its ends of the connections
 * with us, then the files whose digests were checked.
 */
enum {
	QEMU_VHOST_VSOCK_FD = 3,
	QEMU_QMP_FD = 54,
	QEMU_CONSOLE_FD,
	QEMU_AGENT_FD,
	QEMU_LOG_FD,
};

/* Fds of the network card with that index in the request's devices. */
static inline int qemu_tap_fd(size_t index)
{
	return QEMU_VHOST_VSOCK_FD + 1 + 2 * (int)index;
}

static inline int qemu_vhost_net_fd(size_t index)
{
	return qemu_tap_fd(index) + 1;
}

/* The fd of the connection with virtiofsd, of the device with that index. */
static inline int qemu_fs_fd(size_t index)
{
	return qemu_tap_fd(index);
}

/* The fd of a file whose digest was checked. */
static inline int qemu_asset_fd(enum config_asset asset)
{
	return 63 - (int)asset;
}

/* True if disks are plugged into a SCSI controller, which the VM must have from the start. */
static inline bool qemu_has_scsi(const struct runtime_config *c)
{
	return str_eq(c->block_driver, "virtio-scsi") && !str_eq(c->machine_type, "microvm");
}

/*
 * True if the host's kernel serves the network card. Not without KVM: QEMU then translates the
 * guest's code once per page, and does not notice when others write to the page.
 */
static inline bool qemu_uses_vhost_net(const struct vmm_request *r, size_t index)
{
	return r->devices[index].nic.vhost >= 0 && str_eq(r->accelerator, "kvm");
}

/*
 * Devices that are plugged while the VM runs go behind a PCI bridge. It costs next to no time at
 * boot, where a PCI Express port costs as much as a device and takes one device only. Our firmware
 * reserves no address space behind the bridge, and the guest's kernel reserves only what the
 * devices behind it need, rounded up to a MiB of each kind: so one device, the source of entropy,
 * is there from the start.
 */
enum { QEMU_BRIDGE_SLOT = 0x1e, QEMU_BRIDGE_FIRST = 2, QEMU_BRIDGE_PLACES = 30 };
static inline bool qemu_has_bridge(const struct runtime_config *c)
{
	return c->bridges > 0 && !str_eq(c->machine_type, "microvm");
}

static inline bool qemu_has_vsock(const struct vmm_request *r)
{
	return r->vhost_vsock >= 0;
}

/* True if another process than the VMM accesses the guest's memory. */
bool qemu_shares_memory(const struct vmm_request *r);

/*
 * The type of the objects that are the guest's memory; shared: as above. Those that are files are
 * always to be mapped with share=on: of a private mapping, each page that the guest writes would
 * exist twice, in the file and in the mapping.
 */
#define QEMU_MEMORY_FILE  "memory-backend-file"
#define QEMU_MEMORY_MEMFD "memory-backend-memfd"
#define QEMU_MEMORY_RAM   "memory-backend-ram"
const char *qemu_memory_type(const struct runtime_config *c, bool shared);

#define QEMU_GROWTH_PORT "growth" /* id of the PCI Express port for a virtio-mem device */
/* MiB, a power of two. The unit of memory: a huge page, if it consists of those, or 1. The step of
 * memory hotplug: what a Linux guest on x86 takes, or a unit that is larger. */
uint64_t qemu_memory_unit(const struct runtime_config *c);
uint64_t qemu_memory_step(const struct runtime_config *c);

static inline uint64_t qemu_round_up(uint64_t n, uint64_t power_of_two)
{
	return (n + power_of_two - 1) & ~(power_of_two - 1);
}

/* True if the VM can get more processors. */
bool qemu_grows_cpus(const struct vmm_request *r);
/*
 * With how many MiB the VM boots: r->size in whole units, and less than 256 more for a VM that can
 * grow and may have memory at 64 GiB or above when it boots. Linux then takes new memory in blocks of
 * up to 2 GiB, the largest that divides where its memory ends, and what is plugged is in steps. So
 * this ends where nothing larger than a step divides it.
 */
uint64_t qemu_boot_memory(const struct vmm_request *r);
/* By how many MiB the VM's memory can grow: within r->most, and what the processor can address. */
uint64_t qemu_grows_memory(const struct vmm_request *r);

/* The arguments, QEMU's path first; strv, heap. */
char **qemu_command_line(const struct vmm_request *r);
