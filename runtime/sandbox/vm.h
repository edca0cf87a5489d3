// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A VM whose agent answers: the VMM, the share's daemon, the connection to the agent. It knows
 * nothing of a sandbox; what makes it one's is done afterwards (sandbox.h).
 *
 *	struct vm *v = vm_new(loop, config, dir);
 *	v->on_dead = ..., v->on_launched = ..., v->arg = ...
 *	vm_get(v, &wanted, deadline, err)	// boots; until the agent has answered
 *	vm_call(v, "CreateSandbox", ...)
 *	vm_stop(v)
 *	vm_free(v)
 *
 * Flows block in these functions; callbacks come on the loop.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/spawn.h"
#include "config/config.h"
#include "device/disks.h"
#include "loop/loop.h"
#include "sandbox/lines.h"
#include "share/share.h"
#include "ttrpc/ttrpc.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* By which the guest mounts the share. */
#define VM_SHARE_TAG "kataShared"

enum vm_share { VM_NO_SHARE, VM_9P, VM_VIRTIOFS };

struct vm {
	struct loop *loop;
	const struct runtime_config *config;
	char *dir;
	struct vmm vmm;
	enum vm_share fs;
	struct child virtiofsd;
	struct ttrpc_client *client;    /* loop; NULL: not connected */
	struct watch *watch, *fs_watch; /* loop */
	struct lines console, log;      /* loop */
	/* Called on the loop, once, when VM, virtiofsd or agent is gone; why says which. */
	void (*on_dead)(void *arg, const struct err *why);
	/* Called when a process has been started, before it is waited for: it can be recorded. */
	int (*on_launched)(void *arg, struct err *err);
	void *arg;
	/* loop: virtiofsd or the connection ended, which also happens when the VM ends; grace_why
	 * is the reason reported if the VM has not ended by then. */
	struct watch *grace;
	const char *grace_why;
	struct disks disks; /* plugged in while it runs */

	pthread_mutex_t lock; /* guards what follows: written on the loop, read by flows */
	pthread_cond_t changed;
	bool running, dead, stopping, stopped, cancelled;
	unsigned calls; /* calls of the agent and of the VMM in progress */
	int kill_fd;    /* own pidfd of the VMM, to kill it, or -1 */
	struct err why; /* of dead */

	unsigned vcpus; /* that the guest has brought online; of whoever resizes it */
};

/* dir: an empty directory of this VM. loop and config must outlive it. */
struct vm *vm_new(struct loop *loop, const struct runtime_config *config, const char *dir);
/* Stops it first. NULL is accepted. */
void vm_free(struct vm *v);

struct vm_wanted {
	struct vmm_size size, most;    /* at first; up to which it may grow */
	int netns;                     /* the network namespace to run in, or -1 */
	const struct spawn_user *user; /* whom the VMM runs as; NULL: us */
	const char *label;             /* SELinux's, of the VMM; NULL: ours */
	bool no_kvm;                   /* who may not use KVM */
	const struct share *share;
	const struct vmm_device *devices; /* besides the share's */
	size_t ndevices;
};

/* Boots a VM until its agent answers. Accelerator, transport and share are chosen as configured,
 * else tried. E_CANCELLED. On failure nothing runs. */
MUST_CHECK int vm_get(struct vm *v, const struct vm_wanted *wanted, struct deadline deadline,
		      struct err *err);
/*
 * Calls the agent from a flow, as ttrpc_call. If the VM has ended or is being stopped, the error
 * has the reason.
 */
MUST_CHECK int vm_call(struct vm *v, const char *method, const void *request,
		       const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
		       void *reply, struct err *err);
/* disks_plug() and disks_unplug() from a flow, while the VM runs; errors as for vm_call. What is plugged
 * in when the VM ends needs no unplugging. */
MUST_CHECK int vm_plug_disk(struct vm *v, const char *path, bool readonly, struct disk **out,
			    struct deadline deadline, struct err *err);
MUST_CHECK int vm_unplug_disk(struct vm *v, struct disk *disk, struct deadline deadline,
			      struct err *err);
/* disks_grow(), likewise. */
MUST_CHECK int vm_grow_disk(struct vm *v, struct disk *disk, uint64_t bytes,
			    struct deadline deadline, struct err *err);
/* Likewise for a network card, by an id; it takes the place of struct vmm_ops' add and remove. */
MUST_CHECK int vm_plug_nic(struct vm *v, const char *id, const struct vmm_device *card,
			   struct deadline deadline, struct err *err);
MUST_CHECK int vm_unplug_nic(struct vm *v, const char *id, struct deadline deadline,
			     struct err *err);
/*
 * Makes the VM larger or smaller, as vmm_ops.resize does, and the guest use what it was given. *got is
 * valid on failure, too, unless the VM has ended. One caller at a time.
 */
MUST_CHECK int vm_resize(struct vm *v, const struct vmm_size *wanted, struct vmm_size *got,
			 struct deadline deadline, struct err *err);
/* Asks the agent for a sign of life. */
bool vm_answers(struct vm *v, struct deadline deadline);
/* Any thread, before vm_stop: kills the VM of an agent that misbehaves. on_dead is then called with
 * why. */
void vm_kill(struct vm *v, const struct err *why);
bool vm_is_dead(struct vm *v);
/* Any thread: makes a running or later vm_get fail soon, with E_CANCELLED or because its VM was
 * killed. */
void vm_cancel(struct vm *v);
/* Has the guest write its data back, and ends VM and virtiofsd: both have ended when it returns. May
 * be called after the VM died, and by several flows; not on the loop. A guest that does not answer
 * delays it by a few seconds, one that has disks by 30 at most. */
void vm_stop(struct vm *v);
