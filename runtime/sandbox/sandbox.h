// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A sandbox: a VM that was made this one's, the files shared with it, and its network. These functions may
 * block, so they are called by flows; in this order:
 *
 *	sandbox_new
 *	sandbox_make_netns		where none was given
 *	share_rootfs, share_add,
 *	share_configured		on sandbox->share; complete before the VM starts
 *	sandbox_start			connects the network, gets a VM, and makes it this sandbox's; from
 *					here on this process is in the sandbox's control groups
 *	sandbox_stop			DestroySandbox, VM, disconnect, network
 *	sandbox_free			removes what is left on the host, frees s
 *
 * Everything that it makes on the host lies in directories named after it (record.h) and is
 * recorded in persist.json, so that sandbox_clean can remove it after this process has died.
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

struct sandbox {
	struct loop *loop;
	const struct runtime_config *config;
	char *id, *namespace, *key, *state_dir, *share_dir;
	struct record *record;
	struct share share;
	struct copy_watch *copy_watch; /* where nothing is shared: sandbox/copies.h */
	uint64_t copy_limit;
	struct network network;    /* the follower's while the VM runs */
	struct follower *follower; /* of changes of that (follow.h), or NULL */
	pthread_mutex_t disconnecting;
	struct vm *vm;
	struct ports *ports; /* loop; NULL: none */
	struct {
		pthread_mutex_t lock; /* guards what follows */
		pthread_cond_t changed;
		bool busy; /* a flow resizes the VM; it alone uses the rest */
		struct sizing sizing;
		struct vmm_size now, most; /* what the VM has, and can have; most: constant */
	} size;
	struct {
		pthread_mutex_t lock;
		uint64_t used, given; /* bytes */
		unsigned files;
	} swap;
	pthread_mutex_t placing; /* guards what follows, to placed */
	struct host_cgroup *cgroup;
	char *cpus, *mems; /* lists; "": any */
	bool placed;       /* the VM runs */
	uid_t user;        /* of the VMM, or 0: ours */
	/* Called on the loop. on_dead: once, when VM, virtiofsd or agent is gone; why says which.
	 * on_oom: a process of that container was killed for want of memory; id is the guest's
	 * word. */
	void (*on_dead)(void *arg, const struct err *why);
	void (*on_oom)(void *arg, const char *id);
	void *arg;
	struct watch *pause; /* loop: before the next question for such events */
};

MUST_CHECK int sandbox_new(struct loop *loop, const struct runtime_config *config,
			   const char *namespace, const char *id, struct sandbox **out,
			   struct err *err);

/* A network namespace of its own; *path is heap. */
MUST_CHECK int sandbox_make_netns(const struct sandbox *s, char **path, struct err *err);

/* What the manager says of it. Its size, too: in size.sizing. */
struct sandbox_wanted {
	const char *netns; /* path of its network namespace; NULL: the VMM runs in ours */
	const char *hostname;
	bool localhost;          /* connections to localhost in netns are the guest's */
	const char *cgroup;      /* cgroupsPath on the host (host/cgroup.h), may be NULL */
	const char *label;       /* SELinux's, for the VMM; may be NULL */
	const char *cpus, *mems; /* lists of the host's processors and memory nodes; NULL: any */
};

MUST_CHECK int sandbox_start(struct sandbox *s, const struct sandbox_wanted *wanted,
			     struct deadline deadline, struct err *err);
/* Says in a direct-assigned volume's record that this sandbox uses it, until it is freed. */
MUST_CHECK int sandbox_use_volume(struct sandbox *s, const char *path, struct err *err);
/* vm_call() of its VM. */
MUST_CHECK int sandbox_call(struct sandbox *s, const char *method, const void *request,
			    const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
			    void *reply, struct err *err);
/* Of a container or of a pod. */
struct limits_change {
	struct limits before, after;
};

/*
 * A container with these limits (NULL: none) comes, or an existing one is to have them: the VM grows for
 * it. id NULL: the pod as a whole. The higher of both count until sandbox_settle().
 * must: it is an error (E_LIMIT) if the VM cannot have the size; else it grows as far as it can.
 * On failure nothing has changed.
 */
MUST_CHECK int sandbox_grow(struct sandbox *s, const char *id, const struct oci_resources *r,
			    bool must, struct limits_change *change, struct deadline deadline,
			    struct err *err);
/* The limits that hold now; NULL: the container has gone. The VM gives back what it does not need;
 * a failure is logged. */
void sandbox_settle(struct sandbox *s, const char *id, const struct limits *l,
		    struct deadline deadline);

/* The processors and memory nodes of the host that the sandbox may use have changed ("": any). */
MUST_CHECK int sandbox_set_cpus(struct sandbox *s, const char *cpus, const char *mems,
				struct deadline deadline, struct err *err);
/* The guest has got more processors, or fewer: their threads are placed and pinned anew. */
MUST_CHECK int sandbox_place_vcpus(struct sandbox *s, struct deadline deadline, struct err *err);
/* The guest gets as much more swap space as is used besides; nothing if enable_guest_swap is off. What is no
 * longer used stays, for whoever comes next: a guest cannot be asked to give it back. */
MUST_CHECK int sandbox_use_swap(struct sandbox *s, uint64_t bytes, struct deadline deadline,
				struct err *err);
void sandbox_unuse_swap(struct sandbox *s, uint64_t bytes);
/* Stops the VM, as vm_stop(), and gives the network namespace back as it was. */
void sandbox_stop(struct sandbox *s);
void sandbox_free(struct sandbox *s);

/* Removes everything that the sandbox of this id and namespace has left behind: processes, mounts,
 * files. */
MUST_CHECK int sandbox_clean(const char *namespace, const char *id, struct err *err);
