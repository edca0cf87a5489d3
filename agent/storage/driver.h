// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The storage drivers: how each kind of storage is mounted. Any thread. */

#include "base/err.h"
#include "loop/loop.h"
#include "protocols/agent.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* What a driver needs besides the storage. */
struct storage_driver_host {
	struct loop *loop;
	unsigned hotplug_ms; /* how long a device may take to appear */
};

struct storage_driver {
	const char *name;
	/* What it makes is the pod's: kept until the sandbox ends, whether a container uses it or not.
	 * A container that is started again finds what it wrote. */
	bool stays;
	/* Mounts the storage at its mount_point. *mounted: it must be unmounted later, also if this
	 * fails. */
	int (*add)(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		   struct err *err);
};

/* The driver of that name; NULL with E_UNSUPPORTED. */
const struct storage_driver *storage_driver_find(const char *name, struct err *err);

/* Whether that driver's storages are on block devices of the guest. */
bool storage_driver_is_block(const char *name);

/* NULL-terminated names of the drivers. */
const char *const *storage_drivers(void);

/* Parses size= and pagesize= of hugetlbfs, in bytes. */
MUST_CHECK int storage_huge_pages(const Grpc__Storage *s, uint64_t *size, uint64_t *page_size,
				  struct err *err);
