// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Loop devices of the host, for an image file whose file system the host mounts.
 *
 *	AUTO(fd) int fd = loop_attach(file, readonly, &path, err);
 *	... mounts path
 *
 * The device lets go of the file when nobody has it open or mounted, so that there is nothing to undo after
 * this process has died.
 */

#include "base/err.h"

#include <stdbool.h>

/* Returns an fd of the device, which keeps it until it is mounted; *path is heap. */
MUST_CHECK int loop_attach(const char *file, bool readonly, char **path, struct err *err);
