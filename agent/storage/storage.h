// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Storages: mounts in the guest that the runtime asks for, reference-counted by mount point.
 *
 * Any thread. storages.lock guards the list; it is not held while mounting, which may wait for a
 * device: a flow that finds a busy storage waits for it. No other lock is taken below it.
 *
 * A storage is described by the protocol's own struct, which is plain data; what carries it is not
 * known here.
 */

#include "agent/storage/driver.h"

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "protocols/agent.pb-c.h"

#include <pthread.h>
#include <stdbool.h>

struct storage {
	char *mount_point, *driver;
	unsigned refs;
	bool mounted; /* must be unmounted on removal */
	bool busy;    /* a flow (un)mounts it; storages.released is signalled when done */
};

struct storages {
	struct storage_driver_host host;
	pthread_mutex_t lock;
	pthread_cond_t released; /* a storage is no longer busy */
	VEC(struct storage) v;
};

void storages_init(struct storages *s, struct loop *loop, unsigned hotplug_ms);
/* All must have been dropped. */
void storages_release(struct storages *s);

/* Mounts the storage, or takes a reference if it is mounted. E_TIMEOUT: another flow is still busy
 * with it. */
MUST_CHECK int storage_add(struct storages *s, const Grpc__Storage *storage,
			   struct deadline deadline, struct err *err);
/* Drops a reference; unmounts at zero. */
void storage_drop(struct storages *s, const char *mount_point);
void storage_drop_all(struct storages *s);
/* Before the VM ends without unmounting: what block devices are to hold is written, and their file systems
 * are consistent; nothing can be written to them any more. */
void storage_freeze_all(struct storages *s);
/* Mount points must lie below GUEST_DIR, so that no mount covers the guest's own files. */
MUST_CHECK int storage_check_path(const char *mount_point, struct err *err);
