// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Brings CPUs and memory online that were plugged into the VM. Flows. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdint.h>

/* Brings that many more CPUs online, or as many as are missing until `all` are (0: not known); waits
 * for them to appear. E_TIMEOUT names how many did. What was asked for before, with the same `all`,
 * can be asked for again. */
MUST_CHECK int hotplug_cpus(unsigned want, unsigned all, struct deadline deadline, struct err *err);
/* Brings all memory blocks online that have appeared. A block that cannot be is logged. */
MUST_CHECK int hotplug_memory(struct err *err);
/* Has the kernel probe for memory at this address, on platforms that do not announce it. */
MUST_CHECK int hotplug_probe_memory(uint64_t address, struct err *err);
