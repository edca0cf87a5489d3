// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The guest itself: what its kernel can, its clock, its random numbers. Any thread. */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

/* Bytes of a block of memory that can be plugged; 0: the kernel has no memory hotplug. */
uint64_t guest_memory_block_size(void);
/* Whether virtio-fs stores pages of files (kernel/patches, 0003). */
bool guest_stores_file_pages(void);

MUST_CHECK int guest_set_clock(const struct timeval *now, struct err *err);
/* Adds 1 to 4096 bytes to the kernel's random numbers and uses them at once. */
MUST_CHECK int guest_reseed(const void *seed, size_t len, struct err *err);
