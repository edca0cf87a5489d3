// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Volumes whose contents the host changes (ConfigMaps, Secrets). The share does not report changes,
 * so small volumes are copied to a tmpfs in the guest and compared with their source every two
 * seconds: programs in the container then get inotify events. Large ones are bind-mounted. A directory
 * that has a link "..data", as the kubelet makes them, is compared by that link. One that has become much
 * larger than what is watched at first stays as it was, with a warning.
 */

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>

/* Copies source to target and keeps it up to date; *mounted: target is now a mount point. */
MUST_CHECK int watcher_add(struct loop *loop, const char *source, const char *target, bool *mounted,
			   struct err *err);
/* True if target was watched; it no longer is when this returns. */
bool watcher_remove(const char *target);

/* On the loop's thread or after it ended: stops copying; no copy is in progress when it returns. */
void watcher_stop(void);

/* Copies source to target once. E_LIMIT: source is too large to be watched. */
MUST_CHECK int watcher_sync(const char *source, const char *target, struct err *err);
