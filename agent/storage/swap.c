// SPDX-License-Identifier: Apache-2.0
/* Swap space on a block device that the runtime plugged in and formatted. */

#include "agent/storage/swap.h"

#include "agent/device/block.h"
#include "base/scope.h"

#include <sys/swap.h>

int swap_add(const char *type, const char *id, struct deadline deadline, struct err *err)
{
	AUTO(str) char *node = device_block(type, id, deadline, err);

	if (!node)
		return -1;
	return swapon(node, 0) < 0 ? err_sys(err, "swap on %s", node) : 0;
}
