// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The cgroup and OOM score of the server that `start` creates; its children inherit them. */

#include "base/err.h"

#include <sys/types.h>

/* Moves the server into the cgroup named by the manager's options (ShimCgroup), if any. in is the
 * fd to read the options from: an encoded Any, or empty. */
MUST_CHECK int placement_join_cgroup(int in, pid_t server, struct err *err);
/* Sets the OOM score to the manager's plus one, as runc's shim does: it is killed before its
 * manager. */
MUST_CHECK int placement_score(pid_t manager, pid_t server, struct err *err);
