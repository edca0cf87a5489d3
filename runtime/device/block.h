// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Finds block devices of the host by their numbers. Any thread. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct block_device {
	char *path;    /* of its node below /dev, heap */
	uint64_t size; /* in bytes; 0 without a medium, as of a loop device without a file */
	bool readonly; /* the device itself does not allow writing */
};

#define BLOCK_DEVICE_NONE      \
	{                      \
		NULL, 0, false \
	}

/* Finds the device with that number, and its node by the name that the kernel uses; *out is for
 * block_release(). E_NOT_FOUND: the kernel has no such device; E_STATE: it has, but /dev has no
 * node. */
MUST_CHECK int block_find(dev_t number, struct block_device *out, struct err *err);
void block_release(struct block_device *b);
DEFINE_AUTO_STRUCT(block_device, struct block_device, block_release)
