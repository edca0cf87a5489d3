// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A sandbox: a VM, the files shared with it, and its agent. These functions may block, so they are
 * called by flows; in this order:
 *
 *	sandbox_new
 *	sandbox_share_rootfs, sandbox_share,
 *	sandbox_share_configured	the share must be complete before the VM starts
 *	sandbox_start			VM, agent, CreateSandbox
 *	sandbox_stop				DestroySandbox, VM, disconnect
 *	sandbox_free				removes what is left on the host, frees s
 *
 * Everything that it makes on the host lies in directories named after it (record.h) and is
 * recorded in persist.json, so that sandbox_clean can remove it after this process has died.
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
	char *agent_version; /* reported by the agent, or NULL */
	struct vm vm;
	bool virtiofs; /* the share is virtio-fs, else 9p */
	struct child virtiofsd;
	struct ttrpc_client *client;
	struct watch *vm_watch, *fs_watch; /* loop */
	struct lines console, agent_log;   /* loop */
	/* Called on the loop, once, when VM, virtiofsd or agent is gone; why says which. */
	void (*on_dead)(void *arg, const struct err *why);
	void *arg;
	struct watch *pause; /* loop: the owner's timer, removed with the connection */
	/* loop: virtiofsd or the connection ended, which also happens when the VM ends; grace_why
	 * is the reason reported if the VM has not ended by then. */
	struct watch *grace;
	const char *grace_why;

	pthread_mutex_t lock; /* guards what follows: written on the loop, read by flows */
	pthread_cond_t changed;
	bool vm_running, dead, stopping, stopped, cancelled;
	unsigned calls; /* calls of the agent in progress */
	int vmm;        /* own pidfd of the VMM, to kill it, or -1 */
	struct err why; /* of dead */
};

MUST_CHECK int sandbox_new(struct loop *loop, const struct runtime_config *config,
			   const char *namespace, const char *id, struct sandbox **out,
			   struct err *err);

/*
 * Sharing. A shared file or directory is a private copy of the host's mounts at that moment: later
 * mounts and unmounts on the host are neither visible to the guest nor blocked by it, and removing
 * the share unmounts nothing on the host, whatever the propagation of the host's mounts.
 */
struct share_how {
	bool recursive;      /* include the file systems mounted below; else only the top one */
	bool readonly;       /* the top file system */
	bool readonly_below; /* every one */
};

struct shared {
	char *guest; /* the path in the guest, heap */
	/* Only the top file system is read-only, and writable ones are mounted below it. They are a
	 * single file system to the guest, which must not mount it read-only. */
	bool writable_below;
};

/* Shares the mounted root file system; *guest is its path in the guest, heap. */
MUST_CHECK int sandbox_share_rootfs(struct sandbox *s, const char *container, const char *rootfs,
				    char **guest, struct err *err);
/* Shares a file or directory of the host, under a generated name. */
MUST_CHECK int sandbox_share(struct sandbox *s, const char *source, const struct share_how *how,
			     struct shared *out, struct err *err);
/* Shares the paths listed in sandbox_bind_mounts as sandbox-mounts/NAME, read-only unless they end
 * with ":rw".
 */
MUST_CHECK int sandbox_share_configured(struct sandbox *s, struct err *err);

struct sandbox_size {
	unsigned vcpus;
	uint64_t memory_mib;
};

MUST_CHECK int sandbox_start(struct sandbox *s, struct sandbox_size size, int netns,
			     const char *hostname, struct deadline deadline, struct err *err);
/*
 * Calls the agent from a flow, as ttrpc_call. If the sandbox has ended or is being stopped, the
 * error has the reason.
 */
MUST_CHECK int sandbox_call(struct sandbox *s, const char *method, const void *request,
			    const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
			    void *reply, struct err *err);
/* Any thread, before sandbox_stop: kills the VM of an agent that misbehaves. on_dead is then called
 * with why. */
void sandbox_kill(struct sandbox *s, const struct err *why);
bool sandbox_is_dead(struct sandbox *s);
/* Any thread: makes a running or later sandbox_start fail soon, with E_CANCELLED or because its VM
 * was killed. */
void sandbox_cancel(struct sandbox *s);

/* Stops the VM; may be called after the VM died and by several flows. When it returns, VM and
 * virtiofsd have ended. A guest that does not answer delays it by a few seconds at most. Not on the
 * loop. */
void sandbox_stop(struct sandbox *s);
void sandbox_free(struct sandbox *s);

/* Removes everything that the sandbox of this id and namespace has left behind: processes, mounts,
 * files. */
MUST_CHECK int sandbox_clean(const char *namespace, const char *id, struct err *err);
