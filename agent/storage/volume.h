// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Usage of a volume, and growing one while it is in use. Flows. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/statvfs.h>

/* statvfs(3) of the volume. E_INVALID: the path is not absolute. */
MUST_CHECK int volume_stats(const char *path, struct statvfs *fs, struct err *err);

/* Waits until the volume's device has want bytes, and grows its file system (ext4, xfs) to that;
 * with want 0 to the device's size now. E_UNSUPPORTED: another file system, or not on a block
 * device. */
MUST_CHECK int volume_resize(const char *path, uint64_t want, struct deadline deadline,
			     struct err *err);
