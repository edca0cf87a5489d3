// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Block devices by their bus. Any thread. */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

/* Waits for the block device and returns its node's path, heap. type is that of the device or
 * storage driver: blk (PCI path, or /dev/...), mmioblk, nvdimm (/dev/...), scsi ("id:lun"). */
char *device_block(const char *type, const char *id, struct deadline deadline, struct err *err);

/* True if the guest has a disk. */
bool device_block_any(void);
