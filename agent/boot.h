// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Setup and end of the guest, for an agent that is PID 1. In a guest with another init, that init
 * does this. Main thread, before the loop runs.
 */

#include "base/err.h"

#include <stdbool.h>

/* Mounts the kernel's file systems, makes the root movable so that pivot_root accepts it, brings
 * the loopback interface up and sets the hostname. */
MUST_CHECK int boot(struct err *err);
/* Mounts cgroup v2 (unified) or v1, after settings_load(). */
MUST_CHECK int boot_cgroups(bool unified, struct err *err);
/* Writes file systems back and powers the VM off. */
_Noreturn void power_off(void);
