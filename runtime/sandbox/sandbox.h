// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A sandbox: a VM, the files shared with it, and its network. The functions block and are called by
 * flows, in this order:
 *
 *	sandbox_new
 *	sandbox_make_netns		if no network namespace was given
 *	share_rootfs, share_add,
 *	share_configured		on sandbox->share; all of them before the VM starts
 *	sandbox_start			connects the network, boots a VM, sends CreateSandbox,
 *					moves this process into the sandbox's control groups
 *	sandbox_stop			sends DestroySandbox, ends VM, restores network
 *	sandbox_free			removes the sandbox's files on the host, frees s
 *
 * Whatever a sandbox makes on the host is in directories named after its key (record.h), or
 * recorded in persist.json there, so that sandbox_clean() can remove it after this process has
 * died.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"
#include "network/network.h"
#include "sandbox/sizing.h"
#include "sandbox/vm.h"
#include "share/share.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct copy_watch;
struct follower;
struct ports;
struct record;
struct host_cgroup;

struct late_limits {
	char *id;     /* NULL: of the pod */
	bool removed; /* the container was */
	struct limits limits;
};

struct sandbox {
	struct loop *loop;
	const struct runtime_config *config;
	char *id, *namespace, *key, *state_dir, *share_dir;
	struct record *record;
	struct share share;
	struct copy_watch *copy_watch; /* where nothing is shared: sandbox/copies.h */
	uint64_t copy_limit;           /* bytes of each copy */
	struct network network;        /* used by the follower alone while the VM runs */
	struct follower *follower;     /* follows changes of the network (follow.h), or NULL */
	pthread_mutex_t disconnecting; /* held while the network is disconnected */
	struct vm *vm;
	struct ports *ports; /* loop; NULL: no ports are forwarded */
	struct {
		pthread_mutex_t lock; /* guards what follows */
		pthread_cond_t changed;
		/* A flow resizes the VM, and is the only one to use undone, sizing and now. */
		bool busy;
		bool undone; /* the last resize failed */
		/* Limits that a sandbox_settle() could not set, since busy did not end in time.
		 * The flow that is busy sets them when it has done. */
		VEC(struct late_limits) late;
		struct sizing sizing;
		/* What the VM has, and can have. Once it runs, most is constant. */
		struct vmm_size now, most;
	} size;
	struct {
		pthread_mutex_t lock;
		uint64_t used, given; /* bytes reserved by containers; bytes that the guest has */
		unsigned files;
	} swap;
	pthread_mutex_t placing; /* guards what follows, to user (place.c) */
	struct host_cgroup *cgroup;
	char *cpus, *mems; /* lists; "": any */
	bool placed;       /* the VM runs: its threads can be placed */
	uid_t user;        /* of the VMM; 0: the shim's */
	/* Both are called on the loop. on_dead: once, when VM, virtiofsd or agent has ended; why
	 * names which. on_oom: the guest reports that a process of that container was killed for
	 * want of memory; the id is untrusted. */
	void (*on_dead)(void *arg, const struct err *why);
	void (*on_oom)(void *arg, const char *id);
	void *arg;
	struct watch *pause; /* loop: timer until the next GetOOMEvent */
	uint64_t oom_ms;     /* loop: when one event for each pause up to now would have come */
};

/* Makes a sandbox with its directories. loop and config must outlive it. E_EXISTS: the directory of
 * one of that id and namespace exists. *out is for sandbox_free(). */
MUST_CHECK int sandbox_new(struct loop *loop, const struct runtime_config *config,
			   const char *namespace, const char *id, struct sandbox **out,
			   struct err *err);

/* Makes a network namespace for the sandbox, which sandbox_free() removes; *path is heap. */
MUST_CHECK int sandbox_make_netns(const struct sandbox *s, char **path, struct err *err);

/* What the specification asks for. The size of the VM is in s->size.sizing. */
struct sandbox_wanted {
	const char *netns; /* path of the network namespace; NULL: the VMM runs in the shim's */
	const char *hostname;
	bool localhost;          /* forward connections to localhost in netns to the guest */
	const char *cgroup;      /* cgroupsPath on the host (host/cgroup.h), may be NULL */
	const char *label;       /* SELinux label of the VMM; may be NULL */
	const char *cpus, *mems; /* lists of the host's processors and memory nodes; NULL: any */
};

/* Returns once the agent has made the sandbox and its network. After a failure sandbox_free()
 * undoes what was done. E_CANCELLED after vm_cancel(). */
MUST_CHECK int sandbox_start(struct sandbox *s, const struct sandbox_wanted *wanted,
			     struct deadline deadline, struct err *err);
/* Marks a direct-assigned volume as used by this sandbox (volume_mark), until sandbox_free(). */
MUST_CHECK int sandbox_use_volume(struct sandbox *s, const char *path, struct err *err);
/* vm_call() on the sandbox's VM. */
MUST_CHECK int sandbox_call(struct sandbox *s, const char *method, const void *request,
			    const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
			    void *reply, struct err *err);

/* How the limits of a container or of a pod change. */
struct limits_change {
	struct limits before, after;
};

/*
 * Grows the VM for a container that is added or whose limits change: r are the limits, NULL for
 * none. id NULL: the limits are those of the whole pod. Until sandbox_settle() the higher one of
 * old and new limit counts. If must, E_LIMIT if the VM cannot become large enough; else it grows as
 * far as it can. *change has the old and new limits. On failure nothing has changed.
 */
MUST_CHECK int sandbox_grow(struct sandbox *s, const char *id, const struct oci_resources *r,
			    bool must, struct limits_change *change, struct deadline deadline,
			    struct err *err);
/* Sets the limits that the guest has applied, or removes those of a container that was removed (l
 * NULL). The VM then gives back memory that it does not need; a failure is logged. If the VM is still
 * being resized at the deadline, the flow that resizes it does all that when it has done. */
void sandbox_settle(struct sandbox *s, const char *id, const struct limits *l,
		    struct deadline deadline);

/* Confines the sandbox to these processors and memory nodes of the host ("": any). */
MUST_CHECK int sandbox_set_cpus(struct sandbox *s, const char *cpus, const char *mems,
				struct deadline deadline, struct err *err);
/* Places and pins the threads of the guest's processors, after their number has changed. */
MUST_CHECK int sandbox_place_vcpus(struct sandbox *s, struct deadline deadline, struct err *err);
/* Reserves swap space of the guest for a container, and gives the guest more of it if needed. Does
 * nothing without enable_guest_swap. */
MUST_CHECK int sandbox_use_swap(struct sandbox *s, uint64_t bytes, struct deadline deadline,
				struct err *err);
/* Ends a reservation. The guest keeps the space for later containers: the protocol has no way to
 * take it back. */
void sandbox_unuse_swap(struct sandbox *s, uint64_t bytes);
/* Stops the VM as vm_stop(), and restores the network namespace. May be called again. */
void sandbox_stop(struct sandbox *s);
/* Stops it first. */
void sandbox_free(struct sandbox *s);

/* Removes whatever the sandbox of this id and namespace has left behind after its shim has died:
 * processes, mounts, files and what persist.json lists. Success if there is nothing. */
MUST_CHECK int sandbox_clean(const char *namespace, const char *id, struct err *err);
