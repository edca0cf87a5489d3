// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A virtual machine monitor, behind a table so that a second one fits beside QEMU. A VM is booted
 * first and then configured for a particular sandbox by RPC: except for the path of its directory
 * its command line has nothing specific to the sandbox.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/spawn.h"
#include "config/config.h"

#include <stdbool.h>
#include <sys/types.h>

struct vmm_request {
	const struct runtime_config *config;
	const char *dir;         /* an empty directory of this VM: sockets, log */
	const char *accelerator; /* "kvm" or "tcg" */
	const char *share_dir;   /* 9p: the host side of the share; virtio-fs: NULL */
	const char *fs_socket;   /* virtio-fs: where virtiofsd listens */
	int netns;               /* the network namespace to run in, or -1 */
	int vhost_vsock;         /* from vsock_open, or -1: the agent uses a serial port */
	uint32_t cid;
	unsigned vcpus;
	uint64_t memory_mib;
	/* Called once vm->child is valid, before anything is waited for; may be NULL. */
	int (*launched)(void *arg, struct err *err);
	void *arg;
};

struct vm {
	const struct vmm_ops *ops;
	struct child child; /* the VMM; readable pidfd: it ended */
	char *dir;
	uint32_t cid; /* 0: the agent uses a serial port */
	int agent;    /* connected stream to the agent's port */
	int console;  /* connected stream of the guest's console */
	int log;      /* connected stream of the agent's log, or -1 */
	int control;  /* the VMM's own protocol, or -1 */
};

struct vmm_ops {
	const char *name;
	/* Returns when the VMM runs the guest and its own sockets are connected. On failure nothing
	 * is left but the log in dir. */
	int (*start)(const struct vmm_request *r, struct vm *vm, struct deadline deadline,
		     struct err *err);
	/* Connects agent and log, if start has not: over vsock they are reachable only once the
	 * guest is up. The caller must read the console meanwhile. A missing log is no error. */
	int (*dial)(struct vm *vm, struct deadline deadline, struct err *err);
	/* Ends the VMM: quit by its protocol until the deadline, then SIGKILL; releases vm. */
	void (*stop)(struct vm *vm, struct deadline deadline);
};

extern const struct vmm_ops vmm_qemu;

/* "kvm" where /dev/kvm can be opened, else "tcg". */
const char *vmm_guess_accelerator(void);
