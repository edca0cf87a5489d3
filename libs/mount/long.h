// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Mounts whose options are longer than mount(2) takes; internal to libs/mount.
 */

#include "base/err.h"
#include "mount/mount.h"

enum { MOUNT_DATA_MAX = 4095 }; /* bytes of options for mount(2): a page with its end */

/* As mount_attach, for options longer than that. E_LIMIT if there is no other way to hand them on:
 * only overlays have one. */
MUST_CHECK int mount_long(int target, const char *source, const char *type,
			  const struct mount_options *o, struct err *err);
