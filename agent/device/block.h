// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Finds block devices by their address on a bus. Any thread. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

/* Waits for a block device and returns the path of its node below /dev, heap. type is the
 * protocol's type of a device or storage driver, and decides what id is: blk (a PCI path, or
 * /dev/...), mmioblk and nvdimm (/dev/...), scsi ("ID:LUN"). E_TIMEOUT names the device; E_INVALID:
 * id is malformed. */
char *device_block(const char *type, const char *id, struct deadline deadline, struct err *err);

/* True if the guest has a disk of any kind. */
bool device_block_any(void);
