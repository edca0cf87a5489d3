// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Volumes whose contents change under us (ConfigMaps, Secrets) on a share that tells nobody about
 * changes: small ones are copied into the guest's memory and compared every two seconds, so that
 * programs inside see inotify events; others are bound as they are.
 */

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>

/* Copies source to target and goes on doing so; *mounted: target is a mount of its own. */
MUST_CHECK int watcher_add(struct loop *loop, const char *source, const char *target, bool *mounted,
			   struct err *err);
/* True if target was watched; it no longer is when this returns. */
bool watcher_remove(const char *target);

/* On the loop's thread or after it ended: no more rounds, and none is under way. */
void watcher_stop(void);

/* Makes target's contents those of source once. E_LIMIT: more than is worth copying. */
MUST_CHECK int watcher_sync(const char *source, const char *target, struct err *err);
