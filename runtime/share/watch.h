// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Keeps copies of volumes up to date that the kubelet changes (copy_is_live): it renames a link
 * "..data", which a thread waits for, and the volume is copied again. A file that the new contents no
 * longer have leaves a link in the guest that leads nowhere.
 *
 *	struct copy_watch *w = copy_watch_new(&to, err);
 *	copy_watch_add(w, &copy, err);		any thread
 *	copy_watch_remove(w, container);
 *	copy_watch_free(w);			when to.send no longer blocks: the VM has stopped
 *
 * A copy that fails is logged and is made again at the next change.
 */

#include "base/err.h"
#include "share/copy.h"

struct copy_watch;

/* to is copied. Starts the thread. */
struct copy_watch *copy_watch_new(const struct copy_to *to, struct err *err);
/* Before the volume is copied for the first time, so that no change is missed. */
MUST_CHECK int copy_watch_add(struct copy_watch *w, const struct copy *copy, struct err *err);
/* Forgets the volumes of a container. */
void copy_watch_remove(struct copy_watch *w, const char *container);
/* NULL is accepted. */
void copy_watch_free(struct copy_watch *w);
