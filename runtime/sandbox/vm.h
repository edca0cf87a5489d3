// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A VM whose agent answers: the VMM, virtiofsd, and the connection to the agent. This module knows
 * nothing of sandboxes; sandbox.h makes a VM one sandbox's by CreateSandbox.
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
#include "sandbox/clock.h"
#include "sandbox/health.h"
#include "sandbox/lines.h"
#include "share/share.h"
#include "ttrpc/ttrpc.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The tag by which the guest mounts the share. */
#define VM_SHARE_TAG "kataShared"

enum vm_share { VM_NO_SHARE, VM_9P, VM_VIRTIOFS };

/* After this time a request is sent again that the agent had no room for (E_LIMIT). */
enum { VM_AGAIN_MS = 200 };

struct vm {
	struct loop *loop;
	const struct runtime_config *config;
	char *dir;
	struct vmm vmm;
	enum vm_share fs;
	struct child virtiofsd;
	struct ttrpc_client *client;    /* loop; NULL: not connected */
	struct watch *watch, *fs_watch; /* loop */
	struct watch *logs;             /* loop; bounds the logs of VMM and virtiofsd */
	struct lines console, log;      /* loop */
	/* Called on the loop, once, when VM, virtiofsd or agent has ended, or the agent answers no
	 * more; why names which. */
	void (*on_dead)(void *arg, const struct err *why);
	/* Called by vm_get() when QEMU and virtiofsd have been started, before it waits for them:
	 * here the owner records their pids. */
	int (*on_launched)(void *arg, struct err *err);
	void *arg;
	/* loop: virtiofsd or the agent's connection has ended, as both do when the VM ends. If the
	 * VM has not ended when the timer expires, grace_why is reported. */
	struct watch *grace;
	const char *grace_why;
	struct guest_clock clock; /* loop; once the agent has answered */
	struct health health;     /* loop; checks whether the agent answers, once it has */
	struct disks disks;       /* those plugged in while the VM runs */

	pthread_mutex_t lock; /* guards what follows, to why: written on the loop, read by flows */
	pthread_cond_t changed;
	bool running, dead, stopping, stopped, cancelled;
	unsigned calls; /* requests to the agent and to the VMM in progress */
	int kill_fd;    /* a pidfd of the VMM of its own, to kill it from any thread, or -1 */
	pid_t vmm_pid;  /* of that pidfd */
	struct err why; /* why it is dead */

	unsigned vcpus; /* that the guest has brought online; used by the flow that resizes */
};

/* Returns a VM that does not run yet, for vm_free(). dir: an empty directory for it. loop and
 * config must outlive it. */
struct vm *vm_new(struct loop *loop, const struct runtime_config *config, const char *dir);
/* Stops it first. NULL is accepted. */
void vm_free(struct vm *v);

struct vm_wanted {
	struct vmm_size size, most;    /* at boot, and up to which it may grow */
	int netns;                     /* the network namespace to run in, or -1 */
	const struct spawn_user *user; /* the VMM's; NULL: the shim's */
	const char *label;             /* SELinux label of the VMM; NULL: the shim's */
	bool no_kvm;                   /* the user may not use KVM */
	const struct share *share;
	const struct vmm_device *devices; /* besides that of the share */
	size_t ndevices;
};

/* Boots a VM, and returns when its agent answers. Accelerator, transport and share are those
 * configured; where none is configured they are tried. E_CANCELLED after vm_cancel(). On failure
 * nothing runs. */
MUST_CHECK int vm_get(struct vm *v, const struct vm_wanted *wanted, struct deadline deadline,
		      struct err *err);
/*
 * Calls a method of the agent from a flow, as ttrpc_call(); the caller frees *reply. If the VM has
 * died the error has the reason, if it is being stopped it is E_GONE.
 */
MUST_CHECK int vm_call(struct vm *v, const char *method, const void *request,
		       const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
		       void *reply, struct err *err);
/* disks_plug(), disks_unplug() and disks_grow() from a flow, while the VM runs; errors also as
 * those of vm_call(). A disk that is plugged in when the VM ends need not be unplugged. */
MUST_CHECK int vm_plug_disk(struct vm *v, const char *path, bool readonly, struct disk **out,
			    struct deadline deadline, struct err *err);
MUST_CHECK int vm_unplug_disk(struct vm *v, struct disk *disk, struct deadline deadline,
			      struct err *err);
MUST_CHECK int vm_grow_disk(struct vm *v, struct disk *disk, uint64_t bytes,
			    struct deadline deadline, struct err *err);
/* Plugs a network card in under an id, and unplugs it; as vmm_ops.add and vmm_ops.remove, errors
 * also as those of vm_call(). */
MUST_CHECK int vm_plug_nic(struct vm *v, const char *id, const struct vmm_device *card,
			   struct deadline deadline, struct err *err);
MUST_CHECK int vm_unplug_nic(struct vm *v, const char *id, struct deadline deadline,
			     struct err *err);
/*
 * Makes the VM larger or smaller, as vmm_ops.resize, and has the guest bring new processors and
 * memory online. *got, the size afterwards, is valid on failure too, unless the VM has ended. One
 * caller at a time.
 */
MUST_CHECK int vm_resize(struct vm *v, const struct vmm_size *wanted, struct vmm_size *got,
			 struct deadline deadline, struct err *err);
/* True if the agent answers a health check by the deadline. */
bool vm_answers(struct vm *v, struct deadline deadline);
/* Any thread, before vm_stop(): kills the VM of an agent that misbehaves; why is logged. on_dead
 * follows. */
void vm_kill(struct vm *v, const struct err *why);
/* Any thread: sets the VMM's oom_score_adj (proc_pid_oom_score_adj(5)). Does nothing if the VM has
 * ended. */
MUST_CHECK int vm_set_score(struct vm *v, int64_t score, struct err *err);
/* Any thread: true once on_dead was or is about to be called. */
bool vm_is_dead(struct vm *v);
/* Any thread: makes a vm_get() that runs or comes later fail soon, with E_CANCELLED or because its
 * VMM was killed. */
void vm_cancel(struct vm *v);
/* Has the guest write its data back, and ends VM and virtiofsd: both have ended when it returns.
 * May be called after the VM died, and by several flows; not on the loop. A guest that does not
 * answer delays it by a few seconds, one that has disks by 30 at most. */
void vm_stop(struct vm *v);
