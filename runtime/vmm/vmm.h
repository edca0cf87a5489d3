// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A virtual machine monitor (VMM), behind a table of operations so that a second one fits beside
 * QEMU. A VM is booted first, and made one sandbox's by requests to its agent: the VMM's command
 * line has nothing of the sandbox but the path of its directory and the devices.
 *
 *	struct vmm_device share = { .kind = VMM_FS_VHOST_USER, .fs = { "kataShared", socket } };
 *	struct vmm_request r = { .config = config, .dir = dir, .devices = &share, .ndevices = 1 };
 *	struct vmm vmm;
 *	if (vmm_for(config)->start(&r, &vmm, deadline, err) < 0 ||
 *	    vmm.ops->dial(&vmm, deadline, err) < 0)
 *		return -1;
 *	...
 *	vmm.ops->stop(&vmm, deadline);
 *
 * Every VM has a console, a channel to its agent, a log of the agent and a source of entropy. A
 * list describes its other devices. Some kinds can be plugged and unplugged while it runs:
 *
 *	struct vmm_device disk = { .kind = VMM_DISK, .disk = { .path = "/dev/loop0" } };
 *	struct vmm_address address;
 *	if (!vmm_can(&vmm, VMM_CAN_PLUG_DISK))
 *		...
 *	vmm.ops->add(&vmm, "disk0", &disk, &address, deadline, err)
 *	...			the agent finds it by address.pci or address.scsi
 *	vmm.ops->remove(&vmm, "disk0", deadline, err)
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/spawn.h"
#include "config/config.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum vmm_device_kind {
	VMM_FS_9P,         /* a directory of the host, served by the VMM itself */
	VMM_FS_VHOST_USER, /* the same, served by a daemon that maps the guest's memory */
	VMM_NIC,           /* a network card */
	VMM_DISK,          /* a block device; only while the VM runs */
};

enum { VMM_DEVICES_MAX = 24 }; /* more are refused */

struct vmm_size {
	unsigned vcpus;
	uint64_t memory_mib;
};

struct vmm_device {
	enum vmm_device_kind kind;
	union {
		struct {
			const char *tag;    /* by which the guest mounts it */
			const char *source; /* 9p: the directory; vhost-user: the daemon's socket */
		} fs;
		struct {
			const char *mac;
			int tap;   /* fd of a tap or macvtap with IFF_VNET_HDR */
			int vhost; /* fd of /dev/vhost-net, used with KVM only, or -1 */
		} nic;
		struct {
			const char *path; /* a block device of the host, or an image file */
			bool readonly;
		} disk;
	};
};

struct vmm_request {
	struct loop *loop; /* runs on another thread, longer than the VMM */
	const struct runtime_config *config;
	const char *dir;               /* an empty directory of this VM, for its log */
	const struct spawn_user *user; /* the VMM's; NULL: ours */
	const char *label;             /* SELinux label of the VMM; NULL: ours (selinux.h) */
	const char *accelerator;       /* "kvm" or "tcg" */
	const struct vmm_device *devices;
	size_t ndevices;
	int netns;       /* the network namespace to run in, or -1 */
	int mountns;     /* the mount namespace to run in, or -1 */
	int vhost_vsock; /* from vsock_open, or -1: the agent uses a serial port */
	uint32_t cid;
	struct vmm_size size;
	struct vmm_size most; /* up to which it can grow; a part not above size cannot */
	/* Called once vmm->child is valid, before waiting for the VMM; may be NULL. */
	int (*launched)(void *arg, struct err *err);
	void *arg;
};

/* What a VMM may be able to do while it runs; a set of flags. */
enum vmm_capability {
	VMM_CAN_PLUG_DISK = 1,
	VMM_CAN_PLUG_NIC = 2,
};

/* Where the guest finds a plugged device, in the form of Device.id and Storage.source of the
 * agent's protocol. One of the two is empty. */
struct vmm_address {
	char pci[64];  /* a slot on each bus, in hexadecimal: "08/00" */
	char scsi[16]; /* "ID:LUN" */
};

/* A running VMM. */
struct vmm {
	const struct vmm_ops *ops;
	struct child child; /* its pidfd is readable once it has ended */
	char *dir;
	uint32_t cid; /* 0: the agent uses a serial port */
	int agent;    /* connected stream to the agent's port */
	int console;  /* connected stream of the guest's console */
	int log;      /* connected stream of the agent's log, or -1 */
	/* Private to the VMM; each may be NULL. */
	void *control; /* its control protocol */
	void *growth;  /* state of resizing */
	void *plugs;   /* devices plugged while it runs */
};

/* All functions that can fail return 0 or -1. They block; none may be called on the loop. */
struct vmm_ops {
	const char *name;
	/* Starts a VMM into *vmm, for stop. Returns when it runs the guest and its own sockets are
	 * connected. On failure nothing is left but the log in dir. */
	int (*start)(const struct vmm_request *r, struct vmm *vmm, struct deadline deadline,
		     struct err *err);
	/* Connects vmm->agent and vmm->log, if start has not: over vsock they are reachable only
	 * once the guest is up. The caller must read the console meanwhile. A missing log is no
	 * error. */
	int (*dial)(struct vmm *vmm, struct deadline deadline, struct err *err);
	/* 0 if a VM started with this configuration will have the capabilities; else E_UNSUPPORTED
	 * with a hint. */
	int (*will)(const struct runtime_config *config, enum vmm_capability what, struct err *err);
	/* True if this VM has all of the capabilities. */
	bool (*can)(const struct vmm *vmm, enum vmm_capability what);
	/* The size up to which this VM can grow: within the bounds of its request, of its machine
	 * and of what the processor can address. A part that cannot grow is as it is. */
	struct vmm_size (*most)(const struct vmm *vmm);
	/*
	 * Resizes the VM, within those bounds. *got is the size afterwards, also on
	 * failure. The number of processors never shrinks, and the guest still has to bring new
	 * ones online. When memory shrinks, the guest gives back what it uses when it can; resize
	 * does not wait for that. One caller at a time.
	 */
	int (*resize)(struct vmm *vmm, const struct vmm_size *wanted, struct vmm_size *got,
		      struct deadline deadline, struct err *err);
	/*
	 * Plugs a device into the running VM, under an id that no other device has; several threads
	 * may. Returns before the guest has found the device; the agent waits for that. On failure
	 * the device is not in the VM. E_UNSUPPORTED: this machine cannot; E_LIMIT: no address is
	 * free; both have a hint. E_EXISTS: the id is in use.
	 */
	int (*add)(struct vmm *vmm, const char *id, const struct vmm_device *d,
		   struct vmm_address *address, struct deadline deadline, struct err *err);
	/* Unplugs a device: returns when the guest has released it and the VMM has closed it.
	 * E_TIMEOUT: the guest has been asked and still holds it. It may let go of it at any time,
	 * and then the VMM closes it; the call may be repeated. E_STATE: the guest refuses, and
	 * keeps it. E_NOT_FOUND: no such device is plugged in, or not any more. */
	int (*remove)(struct vmm *vmm, const char *id, struct deadline deadline, struct err *err);
	/* Makes a plugged disk larger, which the guest notices. An image file is extended; a block
	 * device must have the size already. */
	int (*grow)(struct vmm *vmm, const char *id, uint64_t bytes, struct deadline deadline,
		    struct err *err);
	/* *threads: the thread ids of the guest's processors, in their order, heap. */
	int (*vcpu_threads)(struct vmm *vmm, pid_t **threads, size_t *n, struct deadline deadline,
			    struct err *err);
	/* Ends the VMM: asks it to quit and waits until the deadline, then sends SIGKILL. Releases
	 * vmm. */
	void (*stop)(struct vmm *vmm, struct deadline deadline);
};

extern const struct vmm_ops vmm_qemu;

/* True if the running VMM has all of the capabilities. */
bool vmm_can(const struct vmm *vmm, enum vmm_capability what);

/* The VMM for a configuration. */
const struct vmm_ops *vmm_for(const struct runtime_config *config);
