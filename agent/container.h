// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What happens to a container: it is made, started, entered, signalled and removed. Each is a flow
 * that holds a reference to the entry; libs/container does the work, here is what belongs to it in
 * the guest: devices, storages, files, pipes.
 */

#include "agent/device/device.h"
#include "agent/entry.h"
#include "agent/sandbox.h"

#include "base/deadline.h"
#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stddef.h>

/* What a container is made from. All is the caller's. */
struct entry_request {
	const char *id;
	struct oci_spec *spec; /* is adjusted to the guest */
	Grpc__Device *const *devices;
	size_t n_devices;
	Grpc__Storage *const *storages;
	size_t n_storages;
	bool shared_pid_ns; /* the sandbox's first container's */
};

/* E_EXISTS: there is one of that id. After a failure nothing of it is left, or it can be removed. */
MUST_CHECK int entry_create(struct sandbox *s, const struct entry_request *r,
			    struct deadline deadline, struct err *err);
MUST_CHECK int entry_start(struct entry *e, struct deadline deadline, struct err *err);
/* E_INVALID, E_EXISTS: an exec cannot have that id. Comes before entry_exec(). */
MUST_CHECK int entry_check_exec(const struct entry *e, const char *exec_id, struct err *err);
MUST_CHECK int entry_exec(struct entry *e, const char *exec_id, const struct oci_process *spec,
			  struct deadline deadline, struct err *err);
/* The first process has the container's id; an empty exec id means all processes. */
MUST_CHECK int entry_signal(struct entry *e, const char *exec_id, unsigned number, struct err *err);

/* E_TIMEOUT: other requests still use it; E_STATE: it is already being removed. After any failure
 * it may be retried. */
MUST_CHECK int entry_remove(struct sandbox *s, const char *id, struct deadline deadline,
			    struct err *err);
/* One that cannot be removed is logged. */
void entry_remove_all(struct sandbox *s, struct deadline deadline);

/* Lets the containers use CPUs that came online. */
void entries_widen_cpusets(struct entries *list);
