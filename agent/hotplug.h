// SPDX-License-Identifier: Apache-2.0
#pragma once

/* CPUs and memory that were plugged into the VM. Flows. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdint.h>

/* Brings that many CPUs online, which may still have to appear. */
MUST_CHECK int hotplug_cpus(unsigned want, struct deadline deadline, struct err *err);
/* Brings all memory online that is there. */
MUST_CHECK int hotplug_memory(struct err *err);
/* Tells the kernel of memory at this address, where the platform does not. */
MUST_CHECK int hotplug_probe_memory(uint64_t address, struct err *err);
