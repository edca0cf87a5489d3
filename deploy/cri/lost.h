// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Lines of ours that another program has written anew, without the comments around them: the
 * installers of other runtimes, or `containerd config migrate`, which read containerd's file as TOML.
 */

#include "base/err.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/edit.h"

#include <stdbool.h>

/* Finds the blocks of e->lost as tables of their handlers that run the same program. last: no
 * registration follows, so the tables are removed; else they stay as they are, since the manager
 * would be restarted for nothing, and in the record. */
MUST_CHECK int lost_settle(struct edits *e, bool last, struct err *err);
/* Warns of handlers in a containerd's files that run our shim, which is removed. */
void lost_warn(const struct cri *c, struct edits *e);
