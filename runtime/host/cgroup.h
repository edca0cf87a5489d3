// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The control groups of a sandbox on the host. What the manager made for the sandbox container
 * (cgroupsPath) is a place below the pod's group; a group beside it takes the VM:
 *
 *	cgroupsPath                             the sandbox's group
 *	/kubepods/pod1/ID                       /kubepods/pod1/kata_ID
 *	kubepods-pod1.slice:cri-containerd:ID   /kubepods.slice/kubepods-pod1.slice/kata_ID.scope
 *	(none)                                  /kata/kata_KEY
 *
 * The prefix keeps those who read the groups of containers (cAdvisor) from taking a VM for one. A scope
 * is made by systemd, which would otherwise take controllers from a group below its slice that it does
 * not know; where no systemd runs it is a group like the others, kata_ID.
 *
 *	where                 only = true              only = false
 *	sandbox's group       shim, VMM, share daemon  the VMM's threads that are processors of the guest
 *	                                               (version 2 of cgroups: the VMM)
 *	/kata_overhead/KEY    -                        the rest
 *
 *	struct host_cgroup *h = host_cgroup_new(&where, err);	nothing is made yet
 *	...record host_cgroup_paths(h)
 *	host_cgroup_enter(h, err)	makes them; this process and its later children are in them
 *	host_cgroup_add_vmm(h, pid, err)	right after its start
 *	host_cgroup_add_vcpus(h, threads, n, err)
 *	host_cgroup_set_cpus(h, "0-1", "", err)
 *	host_cgroup_move_back(h, err)	this process goes back where it was
 *	host_cgroup_leave(h, err)	so it does, if it has not; removes the groups
 *	host_cgroup_free(h)
 *
 * Nothing but the processors and memory nodes is limited here: a kubelet limits the pod's group, and the
 * guest each container. One caller at a time.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host_cgroup;

struct host_cgroup_where {
	const char *path; /* cgroupsPath of the sandbox container, may be NULL or empty */
	const char *key;  /* of the sandbox, unique on the host */
	bool only;        /* sandbox_cgroup_only */
	/* For tests: a hierarchy of version 2 mounted there. NULL: what the machine has. */
	const char *unified;
};

/* The path of the sandbox's group, heap; *scope: systemd is to make it, if it is there. E_INVALID:
 * neither a path nor "slice:prefix:name". */
char *host_cgroup_path(const char *cgroups_path, const char *key, bool *scope, struct err *err);

/* *out is NULL on a machine without control groups. */
MUST_CHECK int host_cgroup_new(const struct host_cgroup_where *where, struct host_cgroup **out,
			       struct err *err);
/* The groups that it makes, NULL terminated; borrowed. */
const char *const *host_cgroup_paths(const struct host_cgroup *h);
/* E_STATE, E_EXISTS: the sandbox's group has processes already. What was made stays for
 * host_cgroup_leave. */
MUST_CHECK int host_cgroup_enter(struct host_cgroup *h, struct err *err);
MUST_CHECK int host_cgroup_add_vmm(struct host_cgroup *h, pid_t vmm, struct err *err);
MUST_CHECK int host_cgroup_add_vcpus(struct host_cgroup *h, const pid_t *threads, size_t n,
				     struct err *err);
/* Lists as the kernel has them ("0-3,7"); an empty one: those of the group above. Of a scope that is
 * yet to be made they are noted, and set when it is. */
MUST_CHECK int host_cgroup_set_cpus(struct host_cgroup *h, const char *cpus, const char *mems,
				    struct err *err);
/* While the others end; idempotent. */
MUST_CHECK int host_cgroup_move_back(struct host_cgroup *h, struct err *err);
/* Idempotent. Waits for processes that are ending. */
MUST_CHECK int host_cgroup_leave(struct host_cgroup *h, struct err *err);
void host_cgroup_free(struct host_cgroup *h); /* NULL is accepted */

/* Removes a group that an earlier process made and whose processes have been killed; of a scope also
 * what systemd knows of it. */
MUST_CHECK int host_cgroup_remove(const char *path, struct err *err);
