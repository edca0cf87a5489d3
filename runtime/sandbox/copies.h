// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Files for a guest without a share (shared_fs = "none"): they are sent once the VM runs, before
 * the container is created, and volumes that the kubelet changes are kept up to date. Flows.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "share/copy.h"

struct sandbox;

/* Once, when the VM runs. memory_mib: of the VM; each copy may have half of it. Starts the thread
 * that keeps copies up to date. */
MUST_CHECK int copies_begin(struct sandbox *s, uint64_t memory_mib, struct err *err);
/* Sends a container's files, and begins to watch those that the kubelet changes. */
MUST_CHECK int copies_send(struct sandbox *s, const struct copies *list, struct deadline deadline,
			   struct err *err);
/* Stops watching the files of a container that is removed. The agent removes its copies. */
void copies_forget(struct sandbox *s, const char *container);
/* After the VM has stopped: ends the thread. May be called again. */
void copies_end(struct sandbox *s);
