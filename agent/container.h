// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Creates, starts, signals and removes containers, and executes further processes in them. Flows.
 * The core of a container is libs/container; these functions add what the guest needs around it:
 * devices, storages, files, pipes. A caller that passes an entry holds a reference to it
 * (entry_get).
 */

#include "agent/device/device.h"
#include "agent/entry.h"
#include "agent/sandbox.h"

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stddef.h>

/* What a container is made from; everything stays the caller's. */
struct entry_request {
	const char *id;
	struct oci_spec *spec; /* entry_create() adjusts it to the guest */
	Grpc__Device *const *devices;
	size_t n_devices;
	Grpc__Storage *const *storages;
	size_t n_storages;
	bool shared_pid_ns; /* join the pid namespace of the sandbox's first container */
};

/* Makes a container and leaves its first process waiting for entry_start(). E_EXISTS: the id is in
 * use. After a failure nothing of the container is left or, if cleaning up failed too,
 * entry_remove() can remove the rest. */
MUST_CHECK int entry_create(struct sandbox *s, const struct entry_request *r,
			    struct deadline deadline, struct err *err);
/* Changes the container's limits, whose disks have the host's numbers. */
MUST_CHECK int entry_update(struct entry *e, struct oci_resources *r, struct err *err);
/* Has the first process execute its program. */
MUST_CHECK int entry_start(struct entry *e, struct deadline deadline, struct err *err);
/* Checks an exec id before entry_exec(). E_INVALID; E_EXISTS: it is the container's own id. */
MUST_CHECK int entry_check_exec(const struct entry *e, const char *exec_id, struct err *err);
/* Starts a further process in the container. E_EXISTS: the exec id is in use. */
MUST_CHECK int entry_exec(struct entry *e, const char *exec_id, const struct oci_process *spec,
			  struct deadline deadline, struct err *err);
/* Sends a signal to the process of that exec id. The container's id means its first process, "" all
 * processes. E_NOT_FOUND: no such process runs. */
MUST_CHECK int entry_signal(struct entry *e, const char *exec_id, unsigned number, struct err *err);

/* Waits while the container is being created, then kills what runs in it and removes it, its
 * storages and its files. E_NOT_FOUND; E_TIMEOUT: other requests still create or use it; E_STATE:
 * it is already being removed. May be repeated after a failure. */
MUST_CHECK int entry_remove(struct sandbox *s, const char *id, struct deadline deadline,
			    struct err *err);
/* Removes all containers; failures are logged. */
void entry_remove_all(struct sandbox *s, struct deadline deadline);

/* Adds CPUs that came online to the containers' cpusets, where cgroup v1 does not do that
 * itself. */
void entries_widen_cpusets(struct entries *list);
