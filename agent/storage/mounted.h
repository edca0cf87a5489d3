// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Changes mounts that are in use. Flows. */

#include "base/err.h"
#include "protocols/agent.pb-c.h"

/* Remounts a tmpfs with the storage's options, among them its size. E_STATE: its mount point is not
 * a tmpfs. */
MUST_CHECK int mounted_rescale(const Grpc__Storage *s, struct err *err);

/* Unmounts virtio-fs mounts whose root the host has removed. Failures to unmount are logged. */
MUST_CHECK int mounted_drop_stale(struct err *err);
