// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Properties of a guest kernel file: ELF notes with the name "Kata" (kernel/README.md lists them).
 */

#include "base/err.h"

#include <stdbool.h>

/*
 * Whether the kernel at path writes file pages that it reads, so that TCG drops their old
 * translation (kernel/patches, 0003). False for a file that is damaged or not an ELF file of this
 * machine's word size and byte order. Fails only if it cannot be read.
 */
MUST_CHECK int kernel_stores_pages(const char *path, bool *stores, struct err *err);
