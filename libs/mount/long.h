// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Mounts with options longer than the limit of mount(2); internal to libs/mount.
 */

#include "base/err.h"
#include "mount/mount.h"

enum { MOUNT_DATA_MAX = 4095 }; /* bytes of options for mount(2): a page less the NUL */

/* As mount_attach, for longer options. Only overlays support this; E_LIMIT for other types, or if
 * the kernel does not accept the layers. */
MUST_CHECK int mount_long(int target, const char *source, const char *type,
			  const struct mount_options *o, struct err *err);
