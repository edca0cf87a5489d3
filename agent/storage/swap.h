// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Swap space on a block device that the runtime plugged in and formatted. Flows. */

#include "base/deadline.h"
#include "base/err.h"

/* Waits for the device and enables it as swap space. type and id: as for device_block(). */
MUST_CHECK int swap_add(const char *type, const char *id, struct deadline deadline,
			struct err *err);
