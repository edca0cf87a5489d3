// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Kubernetes' fsGroup: the group that owns a volume. Flows. */

#include "base/err.h"
#include "protocols/agent.pb-c.h"

/* Gives the storage's mount point and everything below it to the group in s->fs_group, which must
 * be set, with read and write permission. Does nothing for a read-only file system, or if the
 * policy OnRootMismatch finds the root's group and mode right. */
MUST_CHECK int storage_set_group(const Grpc__Storage *s, struct err *err);
