// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The storage drivers: how each kind of storage is mounted. Any thread. */

#include "base/err.h"
#include "loop/loop.h"
#include "protocols/agent.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* What drivers need besides the storage. */
struct storage_driver_host {
	struct loop *loop;
	unsigned hotplug_ms; /* how long a device may take to appear */
};

struct storage_driver {
	const char *name;
	/* Its storages belong to the pod: they are kept until the sandbox ends, even if no
	 * container uses them, so that a container that is restarted finds what it wrote. */
	bool stays;
	/* Makes the storage at its mount_point. *mounted: something was mounted there, also if this
	 * fails, and must be unmounted. Huge pages that it has reserved, also if this fails, are
	 * given back by hugepages_drop() after that. */
	int (*add)(const struct storage_driver_host *host, const Grpc__Storage *s, bool *mounted,
		   struct err *err);
};

/* The driver of that name, static; NULL with E_UNSUPPORTED. */
const struct storage_driver *storage_driver_find(const char *name, struct err *err);

/* True if the driver's storages are on block devices of the guest. */
bool storage_driver_is_block(const char *name);

/* The names of all drivers, NULL-terminated, static. */
const char *const *storage_drivers(void);

/* Parses the options size= and pagesize= of a hugetlbfs storage, in bytes. */
MUST_CHECK int storage_huge_pages(const Grpc__Storage *s, uint64_t *size, uint64_t *page_size,
				  struct err *err);
