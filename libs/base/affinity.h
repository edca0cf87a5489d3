// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The processors that a thread may use. */

#include <sys/types.h>

/*
 * Lets a thread (0: the calling one) use every processor that its control groups allow now and
 * later; 0, or -1 with errno. A process inherits the set of its parent, as one in a systemd unit
 * with CPUAffinity=. Up to version 6.1 of the kernel it lost that when it joined a control group with
 * a cpuset; since then it keeps it there.
 */
int affinity_reset(pid_t thread);
