// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Storages: mounts in the guest that the runtime asks for. Several containers may ask for the same
 * mount point; references are counted.
 *
 * Any thread. storages.lock guards the list. It is not held during mounting, which may wait for a
 * device; another flow that needs the same storage waits until it is not busy. No other lock is
 * taken while it is held.
 *
 * A storage is described by the protocol's own struct, as plain data: nothing here knows ttRPC.
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
	bool busy;    /* a flow mounts or unmounts it */
};

struct storages {
	struct storage_driver_host host;
	pthread_mutex_t lock;
	pthread_cond_t released; /* signalled when a storage is no longer busy */
	VEC(struct storage) v;
};

void storages_init(struct storages *s, struct loop *loop, unsigned hotplug_ms);
/* Frees the list, after storage_drop_all(). */
void storages_release(struct storages *s);

/* Mounts the storage, or takes a reference if its mount point is mounted. E_TIMEOUT: another flow
 * still mounts or unmounts it. Errors name mount point and driver. */
MUST_CHECK int storage_add(struct storages *s, const Grpc__Storage *storage,
			   struct deadline deadline, struct err *err);
/* Drops a reference; the last one unmounts the storage. Failures are logged. */
void storage_drop(struct storages *s, const char *mount_point);
/* Unmounts all storages, the latest first. */
void storage_drop_all(struct storages *s);
/* Before the VM ends without unmounting: writes all file systems back and freezes those of storages
 * on block devices, so that they are consistent; later writes to them block. */
void storage_freeze_all(struct storages *s);
/* E_INVALID unless the mount point is a plain path below GUEST_DIR: no mount may cover the guest's
 * own files. */
MUST_CHECK int storage_check_path(const char *mount_point, struct err *err);
