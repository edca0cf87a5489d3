// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Brings CPUs and memory online that were plugged into the VM. Flows. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdint.h>

/* Brings that many more CPUs online; waits for them to appear. E_TIMEOUT names how many did; these
 * count for the next call, which is to ask for all of them again. */
MUST_CHECK int hotplug_cpus(unsigned want, struct deadline deadline, struct err *err);
/* Brings all memory blocks online that have appeared. A block that cannot be is logged. */
MUST_CHECK int hotplug_memory(struct err *err);
/* Has the kernel probe for memory at this address, on platforms that do not announce it. */
MUST_CHECK int hotplug_probe_memory(uint64_t address, struct err *err);
