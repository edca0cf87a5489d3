// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A virtual machine monitor, behind a table so that a second one fits beside QEMU. A VM is booted
 * first and then configured for a particular sandbox by RPC: except for the path of its directory
 * its command line has nothing specific to the sandbox.
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
 * Every VM has a console, a channel to its agent, a log of the agent and a source of entropy. What
 * else it has is described by a list of devices. Some kinds can also come and go while it runs:
 *
 *	struct vmm_device disk = { .kind = VMM_DISK, .disk = { .path = "/dev/loop0" } };
 *	struct vmm_address address;
 *	if (!vmm_can(&vmm, VMM_CAN_PLUG_DISK))
 *		...
 *	vmm.ops->add(&vmm, "disk0", &disk, &address, deadline, err)
 *	...			tells the agent that it is at address.pci or address.scsi
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
			int tap;   /* of the host, with headers for offloading */
			int vhost; /* /dev/vhost-net, used with KVM only, or -1 */
		} nic;
		struct {
			const char
				*path; /* a block device of the host, or a file that is an image */
			bool readonly;
		} disk;
	};
};

struct vmm_request {
	struct loop *loop; /* runs on another thread, as long as the VMM */
	const struct runtime_config *config;
	const char *dir;               /* an empty directory of this VM, for its log */
	const struct spawn_user *user; /* whom the VMM runs as, or NULL */
	const char *label;             /* SELinux's, of the VMM; NULL: ours (selinux.h) */
	const char *accelerator;       /* "kvm" or "tcg" */
	const struct vmm_device *devices;
	size_t ndevices;
	int netns;       /* the network namespace to run in, or -1 */
	int vhost_vsock; /* from vsock_open, or -1: the agent uses a serial port */
	uint32_t cid;
	struct vmm_size size;
	struct vmm_size most; /* up to which it may grow; what is not above size does not grow */
	/* Called once vmm->child is valid, before anything is waited for; may be NULL. */
	int (*launched)(void *arg, struct err *err);
	void *arg;
};

/* What a VMM may be able to do while it runs. */
enum vmm_capability {
	VMM_CAN_PLUG_DISK = 1,
	VMM_CAN_PLUG_NIC = 2,
	VMM_CAN_GROW_CPUS = 4,
	VMM_CAN_GROW_MEMORY = 8,
};

/* Where the guest finds a device that was added, as the agent wants it in Device.id and
 * Storage.source. One of the two is empty. */
struct vmm_address {
	char pci[64];  /* a slot on each bus: "08/00" */
	char scsi[16]; /* "ID:LUN" */
};

/* A running VMM. */
struct vmm {
	const struct vmm_ops *ops;
	struct child child; /* readable pidfd: it ended */
	char *dir;
	uint32_t cid;  /* 0: the agent uses a serial port */
	int agent;     /* connected stream to the agent's port */
	int console;   /* connected stream of the guest's console */
	int log;       /* connected stream of the agent's log, or -1 */
	void *control; /* the VMM's own protocol, or NULL */
	void *growth;  /* what the VMM knows of its size */
	void *plugs;   /* the VMM's own list of what was added, or NULL */
};

struct vmm_ops {
	const char *name;
	/* Returns when the VMM runs the guest and its own sockets are connected. On failure nothing
	 * is left but the log in dir. */
	int (*start)(const struct vmm_request *r, struct vmm *vmm, struct deadline deadline,
		     struct err *err);
	/* Connects agent and log, if start has not: over vsock they are reachable only once the
	 * guest is up. The caller must read the console meanwhile. A missing log is no error. */
	int (*dial)(struct vmm *vmm, struct deadline deadline, struct err *err);
	/* E_UNSUPPORTED, with the remedy: one that is started so will not be able to do that. */
	int (*will)(const struct runtime_config *config, enum vmm_capability what, struct err *err);
	/* Whether this VM has the capability. */
	bool (*can)(const struct vmm *vmm, enum vmm_capability what);
	/*
	 * Makes the VM as large as wanted, within the bounds of its request. *got is what it is to
	 * have then, also on failure. Processors are not taken away. Memory that the guest uses is
	 * given back when it no longer does, without another call; nobody waits for that. New
	 * processors still have to be brought online by the guest. One caller at a time.
	 */
	int (*resize)(struct vmm *vmm, const struct vmm_size *wanted, struct vmm_size *got,
		      struct deadline deadline, struct err *err);
	/*
	 * Plugs a device into the running VM, under an id that no other has. Any thread but the
	 * loop's. It returns before the guest has found the device: the agent waits for it. On
	 * failure it is not there. E_UNSUPPORTED: this machine cannot, with the remedy; E_LIMIT: no
	 * address is left, likewise; E_EXISTS.
	 */
	int (*add)(struct vmm *vmm, const char *id, const struct vmm_device *d,
		   struct vmm_address *address, struct deadline deadline, struct err *err);
	/* Takes it out: returns when the guest has let go of it, and the VMM has closed it.
	 * E_NOT_FOUND; E_TIMEOUT: the guest holds it, and it may be tried again. */
	int (*remove)(struct vmm *vmm, const char *id, struct deadline deadline, struct err *err);
	/* A disk that was added has this many bytes now, and the guest learns of it. An image file is
	 * made that long; a block device must be so already. */
	int (*grow)(struct vmm *vmm, const char *id, uint64_t bytes, struct deadline deadline,
		    struct err *err);
	/* The threads that are the guest's processors, that of the first one first; heap. */
	int (*vcpu_threads)(struct vmm *vmm, pid_t **threads, size_t *n, struct deadline deadline,
			    struct err *err);
	/* Ends the VMM: quit by its protocol until the deadline, then SIGKILL; releases vmm. */
	void (*stop)(struct vmm *vmm, struct deadline deadline);
};

extern const struct vmm_ops vmm_qemu;

/* Whether the running VMM can do all of that. */
bool vmm_can(const struct vmm *vmm, enum vmm_capability what);

/* The one that is configured. */
const struct vmm_ops *vmm_for(const struct runtime_config *config);
