// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Attaches an image file to a loop device, for a file system that the host mounts.
 *
 *	AUTO(fd) int fd = loop_attach(file, readonly, &path, err);
 *	... mounts path
 *
 * The kernel detaches the file once the device is neither open nor mounted, so that nothing is to
 * be undone after this process has died. Any thread.
 */

#include "base/err.h"

#include <stdbool.h>

/* Returns an fd of the device, to be closed once it is mounted; *path is the path of its node,
 * heap. E_LIMIT: other processes took every free device. */
MUST_CHECK int loop_attach(const char *file, bool readonly, char **path, struct err *err);
