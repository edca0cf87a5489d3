// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Where the server of `start` lives on the host; what it starts inherits it. */

#include "base/err.h"

#include <sys/types.h>

/* The control group that the manager's options for the shim name (ShimCgroup), if they do. in is
 * where the options are: an encoded Any, or nothing. */
MUST_CHECK int placement_join_cgroup(int in, pid_t server, struct err *err);
/* Out of memory, the shim is killed before its manager: a score of one more, as of runc's shim. */
MUST_CHECK int placement_score(pid_t manager, pid_t server, struct err *err);
