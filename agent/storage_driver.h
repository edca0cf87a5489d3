// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The kinds of storage that the agent can make. */

#include "agent/agent.h"

struct storage_driver {
	const char *name;
	/* Makes what is to be at mount_point; *mounted says whether it must be unmounted again,
	 * also when this fails. */
	int (*add)(struct sandbox *sandbox, const Grpc__Storage *s, bool *mounted, struct err *err);
};

/* E_UNSUPPORTED */
const struct storage_driver *storage_driver_find(const char *name, struct err *err);

/* Gives everything below the mount point to the group of the request (Kubernetes' fsGroup). */
MUST_CHECK int storage_set_group(const Grpc__Storage *s, struct err *err);

/* The bytes of a hugetlbfs's size= and pagesize=; plain numbers. Pure. */
MUST_CHECK int storage_huge_pages(const Grpc__Storage *s, uint64_t *size, uint64_t *page_size,
				  struct err *err);
