// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What PID 1 does before it is the agent, and after. A guest with another init has done it itself.
 * Main thread, before the loop runs.
 */

#include "base/err.h"

#include <stdbool.h>

/* Setup of PID 1: mounts, a root that pivot_root accepts, loopback, hostname. */
MUST_CHECK int boot(struct err *err);
/* Mounts the cgroup file systems; after settings_load. */
MUST_CHECK int boot_cgroups(bool unified, struct err *err);
_Noreturn void power_off(void);
