// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * struct container; internal to libs/container.
 *
 * The lock guards phase, paused and sock, and the replacement of the cgroup's device program. The
 * freezer is for one user at a time: freezing may take seconds, so it is not done with the lock.
 * Everything else is fixed once container_create has returned; container_delete must be the last
 * call.
 */

#include "base/fd.h"
#include "container/cgroup.h"
#include "container/container.h"
#include "container/namespace.h"
#include "hook/hook.h"

#include <pthread.h>

struct container {
	char *id, *bundle, *root;
	struct oci_spec *spec;
	struct cgroup *cgroup;
	bool seccomp;
	unsigned reserved_tasks;
	pid_t pid;
	int pidfd; /* of init, our own duplicate: readable when it has ended */
	int ns[NS_COUNT];
	pthread_mutex_t freezer; /* taken before the lock */
	pthread_mutex_t lock;
	enum { PHASE_CREATED, PHASE_STARTING, PHASE_RUNNING, PHASE_ENDED } phase;
	bool paused;
	int sock; /* to init, until it has executed the workload */
};

/* launch.c: starts the re-executed helper and reads its messages up to WIRE_PID. */
struct launch {
	const struct container *c;
	const struct oci_spec *spec; /* what the helper gets */
	bool exec;
	const struct container_stdio *stdio;
	struct deadline deadline;
	int sock;           /* out: owned by the caller */
	struct child child; /* out: the container's process, waiting for WIRE_GO */
};
MUST_CHECK int launch_start(struct launch *l, struct err *err);
/* Moves a container's first process into its cgroup, sets the OOM score and sends WIRE_GO. */
MUST_CHECK int launch_go(struct launch *l, struct err *err);
/* The terminal's master, if the process has one, else -1. */
MUST_CHECK int launch_console(struct launch *l, int *console, struct err *err);

/* Waits for WIRE_READY and sets the resource limits of the process: the parent may raise hard
 * limits, a process in a user namespace may not. An additional process enters the cgroup only now:
 * limited to the group's share of the processor, its setup could take many times as long. The
 * process continues at WIRE_START. */
MUST_CHECK int launch_ready(struct launch *l, struct err *err);

/* rlimit.c: rlimits_check is E_INVALID if a limit is unknown or given twice; rlimits_apply sets the
 * limits of process pid. */
MUST_CHECK int rlimits_check(const struct oci_process *p, struct err *err);
MUST_CHECK int rlimits_apply(pid_t pid, const struct oci_process *p, struct err *err);

/* sysctl.c, called before anything is made: checks all sysctls and sets the net.* ones that apply
 * to the caller's network namespace. network: that namespace belongs to the container (own_network
 * of the options). */
MUST_CHECK int sysctls_apply_shared(const struct oci_linux *l, bool network, struct err *err);

/* The container's state for a hook; borrows from c. */
struct hook_state container_hook_state(const struct container *c, const char *status);
void container_free(struct container *c);
DEFINE_AUTO(container, struct container *, NULL, container_free)
