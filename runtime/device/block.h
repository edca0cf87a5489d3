// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Block devices of the host, by their numbers. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct block_device {
	char *path;    /* its node below /dev, heap */
	uint64_t size; /* bytes; 0: it has no medium, as a loop device without a file */
	bool readonly; /* the device itself */
};

#define BLOCK_DEVICE_NONE      \
	{                      \
		NULL, 0, false \
	}

/* Finds the node that has that number, under the name that the kernel gave it. E_NOT_FOUND: the kernel has no
 * such device; E_STATE: it has, but /dev lacks its node. */
MUST_CHECK int block_find(dev_t number, struct block_device *out, struct err *err);
void block_release(struct block_device *b);
DEFINE_AUTO_STRUCT(block_device, struct block_device, block_release)
