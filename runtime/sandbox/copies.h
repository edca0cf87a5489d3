// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Files for a guest that shares none (shared_fs = "none"): they are sent when the VM runs, before the
 * container is created, and those that the kubelet changes are kept up to date. Flows.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "share/copy.h"

struct sandbox;

/* Once, when the VM runs. memory: of the VM; what is copied at a time is at most half of it. */
MUST_CHECK int copies_begin(struct sandbox *s, uint64_t memory_mib, struct err *err);
/* Sends what the container is to have. */
MUST_CHECK int copies_send(struct sandbox *s, const struct copies *list, struct deadline deadline,
			   struct err *err);
/* A container that goes; the agent removes what it had. */
void copies_forget(struct sandbox *s, const char *container);
/* When the VM has stopped. May be repeated. */
void copies_end(struct sandbox *s);
