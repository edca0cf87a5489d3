// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Properties of the guest's kernel, its clock and its random number generator. Any thread. */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

/* The unit of memory hotplug in bytes; 0 if the kernel has no memory hotplug. */
uint64_t guest_memory_block_size(void);
/* True if the kernel stores file pages that it reads over virtio-fs (kernel/patches, 0003). */
bool guest_stores_file_pages(void);

MUST_CHECK int guest_set_clock(const struct timeval *now, struct err *err);
/* Adds 1 to 4096 bytes of entropy to the kernel's random number generator, and reseeds it at once.
 * E_INVALID: another length. */
MUST_CHECK int guest_reseed(const void *seed, size_t len, struct err *err);
