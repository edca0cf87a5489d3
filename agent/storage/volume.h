// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Volumes in use: how full they are, and making them larger. Flows. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/statvfs.h>

/* path must be absolute. */
MUST_CHECK int volume_stats(const char *path, struct statvfs *fs, struct err *err);

/* Grows the file system (ext4, xfs) to want bytes when its device has them; 0: to the device's
 * size. */
MUST_CHECK int volume_resize(const char *path, uint64_t want, struct deadline deadline,
			     struct err *err);
