// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A virtual machine monitor, behind a table so that a second one fits beside QEMU. A VM is got
 * (booted, later: cloned) and only then made into a particular sandbox, by RPC: nothing of one
 * sandbox is on its command line (its directory's name aside).
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
	int vhost_vsock;         /* of vsock_open, or -1: the agent is behind a serial port */
	uint32_t cid;
	unsigned vcpus;
	uint64_t memory_mib;
	/* Called when vm->child runs and before anything is waited for (NULL: not). */
	int (*launched)(void *arg, struct err *err);
	void *arg;
};

struct vm {
	const struct vmm_ops *ops;
	struct child child; /* the VMM; readable pidfd: it ended */
	char *dir;
	uint32_t cid; /* 0: the agent is behind a serial port */
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
	/* Connects agent and log, if they are not: over vsock only a guest that is up can be
	 * reached. The console must be read meanwhile. An agent without a log is none the worse. */
	int (*dial)(struct vm *vm, struct deadline deadline, struct err *err);
	/* Ends it, kindly until the deadline, then by force; releases vm. */
	void (*stop)(struct vm *vm, struct deadline deadline);
};

extern const struct vmm_ops vmm_qemu;

/* "kvm" where /dev/kvm can be opened, else "tcg". */
const char *vmm_guess_accelerator(void);
