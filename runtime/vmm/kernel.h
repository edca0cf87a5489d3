// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a guest kernel says of itself before it runs: notes of its ELF file with the name "Kata"
 * (kernel/README.md lists them).
 */

#include "base/err.h"

#include <stdbool.h>

/*
 * Whether the kernel at path stores file pages where code is translated (kernel/patches, 0003). A
 * file that is no ELF file of this machine's word size and byte order, or a damaged one, says
 * nothing: false. Fails only if it cannot be read.
 */
MUST_CHECK int kernel_stores_pages(const char *path, bool *stores, struct err *err);
