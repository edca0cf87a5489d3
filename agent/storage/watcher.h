// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Volumes whose contents the host changes (ConfigMaps, Secrets). A share makes no inotify events
 * for changes on the host. So a small volume is copied to a tmpfs in the guest, and the copy is
 * updated every two seconds: programs in the container get events from the copy. A large volume is
 * bind-mounted instead. A directory with a link "..data", as the kubelet makes them, is compared by
 * that link. A volume that has grown far beyond the limits for watching keeps its last copy, with a
 * warning.
 */

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>

/* Any thread: copies source to target and keeps the copy up to date, or bind-mounts a source that
 * is too large. *mounted: target is now a mount point, for the caller to unmount. */
MUST_CHECK int watcher_add(struct loop *loop, const char *source, const char *target, bool *mounted,
			   struct err *err);
/* Any thread: ends watching target, after a copy in progress. Returns false if it was not
 * watched. */
bool watcher_remove(const char *target);

/* On the loop's thread or after it ended: ends all watching, after a copy in progress. */
void watcher_stop(void);

/* Copies source to target once. E_LIMIT: source is too large to be watched. */
MUST_CHECK int watcher_sync(const char *source, const char *target, struct err *err);
