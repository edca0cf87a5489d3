// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Keeps copies of volumes up to date that the kubelet changes (copy_is_live). The kubelet renames a
 * link "..data" when it replaces a volume's contents. A thread waits for that by inotify, and
 * copies the volume again; the agent removes the former contents.
 *
 *	struct copy_watch *w = copy_watch_new(&to, err);
 *	copy_watch_add(w, &copy, err);		// any thread
 *	copy_watch_remove(w, container);	// any thread
 *	copy_watch_free(w);			// after the VM has stopped: to.send fails soon
 *
 * A copy that fails is logged, and made again after half a second, then after pauses that grow to a
 * minute, until it succeeds or the volume changes. One that is too large waits for a change.
 */

#include "base/err.h"
#include "share/copy.h"

struct copy_watch;

/* Starts the thread. *to is copied. NULL on failure. */
struct copy_watch *copy_watch_new(const struct copy_to *to, struct err *err);
/* Begins to watch a volume; *copy is copied. Call it before the volume is copied for the first
 * time, so that no change is missed. */
MUST_CHECK int copy_watch_add(struct copy_watch *w, const struct copy *copy, struct err *err);
/* Ends watching the volumes of a container. */
void copy_watch_remove(struct copy_watch *w, const char *container);
/* Waits for a copy in progress and ends the thread. NULL is accepted. */
void copy_watch_free(struct copy_watch *w);
