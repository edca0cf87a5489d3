// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A sandbox: a VM, the files that it sees, the agent in it. Flows (blocking, on threads of their
 * own) in the order of their life:
 *
 *	sandbox_new
 *	sandbox_share_rootfs, sandbox_share,
 *	sandbox_share_configured	what is to be seen must be there before the VM starts
 *	sandbox_start			VM, agent, CreateSandbox
 *	sandbox_stop				DestroySandbox, VM, disconnect
 *	sandbox_free				what is left on the host
 *
 * Everything that it makes on the host lies in directories named after it (record.h) and is recorded
 * in persist.json, so that sandbox_clean can undo it when this process is gone.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"
#include "sandbox/lines.h"
#include "ttrpc/ttrpc.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_STATE_DIR "/run/vc/sbs"
#define SANDBOX_VM_DIR    "/run/vc/vm"
#define SANDBOX_SHARE_DIR "/run/kata-containers/shared/sandboxes"
#define GUEST_SHARE_DIR   "/run/kata-containers/shared/containers"

struct sandbox {
	struct loop *loop;
	const struct runtime_config *config;
	char *id, *namespace, *key, *state_dir, *vm_dir, *share_dir;
	char *agent_version; /* as it says; NULL: it does not */
	struct vm vm;
	bool virtiofs; /* the share, or 9p */
	struct child virtiofsd;
	struct ttrpc_client *client;
	struct watch *vm_watch, *fs_watch; /* loop */
	struct lines console, agent_log;   /* loop */
	/* On the loop, once: VM, virtiofsd or agent is gone; why says which. */
	void (*on_dead)(void *arg, const struct err *why);
	void *arg;
	struct watch *pause; /* loop: the owner's timer, removed with the connection */
	/* loop: something ended that also ends with the VM; why, if the VM does not. */
	struct watch *grace;
	const char *grace_why;

	pthread_mutex_t lock; /* guards what follows: written on the loop, read by flows */
	pthread_cond_t changed;
	bool vm_running, dead, stopping, stopped, cancelled;
	unsigned calls; /* of the agent, by flows that are in one */
	int vmm;        /* a pidfd to kill it by, or -1 */
	struct err why; /* of dead */
};

MUST_CHECK int sandbox_new(struct loop *loop, const struct runtime_config *config,
			   const char *namespace, const char *id, struct sandbox **out,
			   struct err *err);

/*
 * Sharing. What is bound is a copy of the host's mounts as they are at that moment: it is not
 * connected to them. Nothing that is mounted or unmounted on the host later is seen by the guest or
 * kept busy by it, and removing the share unmounts nothing of the host's, whatever the propagation
 * of its mounts is.
 */
struct share_how {
	bool recursive; /* with the file systems that are mounted below; else the top one only */
	bool readonly;  /* the top file system */
	bool readonly_below; /* every one */
};

struct shared {
	char *guest; /* the path in the guest, heap */
	/* Read-only is the top file system alone, and there are others below it. The guest, for
	 * which it all is one file system, must not make it read-only on its own side. */
	bool writable_below;
};

/* Makes the mounted root file system visible; *guest is its path in the guest, heap. */
MUST_CHECK int sandbox_share_rootfs(struct sandbox *s, const char *container, const char *rootfs,
				    char **guest, struct err *err);
/* Likewise any file or directory of the host, under a name of ours. */
MUST_CHECK int sandbox_share(struct sandbox *s, const char *source, const struct share_how *how,
			     struct shared *out, struct err *err);
/* Likewise what sandbox_bind_mounts lists: as sandbox-mounts/NAME, read-only unless it says ":rw".
 */
MUST_CHECK int sandbox_share_configured(struct sandbox *s, struct err *err);

struct sandbox_size {
	unsigned vcpus;
	uint64_t memory_mib;
};

MUST_CHECK int sandbox_start(struct sandbox *s, struct sandbox_size size, int netns,
			     const char *hostname, struct deadline deadline, struct err *err);
/*
 * A flow's call of the agent, as ttrpc_call. When the sandbox has ended or is being stopped the
 * error says so.
 */
MUST_CHECK int sandbox_call(struct sandbox *s, const char *method, const void *request,
			    const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
			    void *reply, struct err *err);
/* Any thread, before sandbox_stop: kills the VM of an agent that does not do what it must. on_dead
 * follows. */
void sandbox_kill(struct sandbox *s, const struct err *why);
bool sandbox_is_dead(struct sandbox *s);
/* Any thread: a sandbox_start that is under way, or begins, fails soon with E_CANCELLED or for want
 * of its VM. */
void sandbox_cancel(struct sandbox *s);

/* Also after the VM died, also by several flows: when it returns, VM and daemon are gone. A guest
 * that does not answer delays it by a few seconds at most. Not on the loop. */
void sandbox_stop(struct sandbox *s);
void sandbox_free(struct sandbox *s);

/* Removes all that the sandbox of that id in that namespace has left: processes, mounts, files. */
MUST_CHECK int sandbox_clean(const char *namespace, const char *id, struct err *err);
