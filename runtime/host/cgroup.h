// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The control groups of a sandbox on the host. The specification of the sandbox container names a
 * group below the pod's (cgroupsPath); the VM gets a group beside it:
 *
 *	cgroupsPath                             the sandbox's group
 *	/kubepods/pod1/ID                       /kubepods/pod1/kata_ID
 *	kubepods-pod1.slice:cri-containerd:ID   /kubepods.slice/kubepods-pod1.slice/kata_ID.scope
 *	(none)                                  /kata/kata_KEY
 *
 * The prefix kata_ keeps monitors such as cAdvisor from taking the VM's group for a container's. A
 * scope is made by systemd, which would take controllers away from a group below its slice that it
 * does not know; without systemd it is a plain group, kata_ID.
 *
 *	group                 only = true            only = false
 *	sandbox's group       shim, VMM, virtiofsd   the VMM's threads that are virtual CPUs
 *	                                             (with cgroup v2: the VMM)
 *	/kata_overhead/KEY    -                      everything else
 *
 *	host_cgroup_new(&where, &h, err)	makes nothing yet
 *	...record host_cgroup_paths(h)
 *	host_cgroup_enter(h, err)		makes them, and moves this process into one
 *	host_cgroup_add_vmm(h, pid, err)	right after its start
 *	host_cgroup_add_vcpus(h, threads, n, err)
 *	host_cgroup_set_cpus(h, "0-1", "", err)
 *	host_cgroup_move_back(h, err)		this process leaves them
 *	host_cgroup_leave(h, err)		leaves and removes them
 *	host_cgroup_free(h)
 *
 * Only processors and memory nodes are limited here: the kubelet limits the pod's group, and the
 * guest each container. One caller at a time.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host_cgroup;

struct host_cgroup_where {
	const char *path; /* cgroupsPath of the sandbox container, may be NULL or empty */
	const char *key;  /* of the sandbox, unique on the host */
	bool only;        /* sandbox_cgroup_only */
	/* For tests: mount point of a cgroup v2 hierarchy to use. NULL: what the machine has. */
	const char *unified;
};

/* The path of the sandbox's group, heap; *scope: systemd is to make it, if systemd runs. E_INVALID:
 * cgroups_path is neither a path nor "slice:prefix:name". */
char *host_cgroup_path(const char *cgroups_path, const char *key, bool *scope, struct err *err);

/* Makes nothing yet. *out is for host_cgroup_free(); NULL on a machine without control groups. */
MUST_CHECK int host_cgroup_new(const struct host_cgroup_where *where, struct host_cgroup **out,
			       struct err *err);
/* The paths of the groups that will be made, NULL-terminated; borrowed. */
const char *const *host_cgroup_paths(const struct host_cgroup *h);
/* Makes the groups and moves this process into one; children that it starts later are there too.
 * E_STATE, E_EXISTS: the sandbox's group has processes already. After a failure host_cgroup_leave()
 * undoes it. */
MUST_CHECK int host_cgroup_enter(struct host_cgroup *h, struct err *err);
/* Moves the VMM into its group. */
MUST_CHECK int host_cgroup_add_vmm(struct host_cgroup *h, pid_t vmm, struct err *err);
/* Moves the threads that run the guest's processors into the sandbox's group. */
MUST_CHECK int host_cgroup_add_vcpus(struct host_cgroup *h, const pid_t *threads, size_t n,
				     struct err *err);
/* Sets the processors and memory nodes of the sandbox's group, as lists in the kernel's form
 * ("0-3,7"); an empty list: those of the group above. On failure nothing has changed. For a scope
 * that does not exist yet they are stored until it is made. */
MUST_CHECK int host_cgroup_set_cpus(struct host_cgroup *h, const char *cpus, const char *mems,
				    struct err *err);
/* Moves this process back to the groups it came from. May be called again. */
MUST_CHECK int host_cgroup_move_back(struct host_cgroup *h, struct err *err);
/* Moves back and removes the groups; waits 5 s for processes in them that are ending. May be called
 * again. */
MUST_CHECK int host_cgroup_leave(struct host_cgroup *h, struct err *err);
/* NULL is accepted. */
void host_cgroup_free(struct host_cgroup *h);

/* Removes a group that a process that has died had made, and whose processes have been killed, until
 * the deadline; a scope is stopped, too. */
MUST_CHECK int host_cgroup_remove(const char *path, struct deadline deadline, struct err *err);
