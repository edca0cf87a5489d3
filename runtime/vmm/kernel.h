// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads properties of a guest kernel from its file: ELF notes with the name "Kata", which
 * kernel/README.md lists.
 */

#include "base/err.h"

#include <stdbool.h>

/*
 * *stores: whether the kernel at path writes to the page cache what it reads over virtio-fs, so
 * that TCG drops its translation of the old contents (kernel/patches, 0003). False for a file that
 * is damaged or not a 64-bit ELF file of this machine's byte order. Fails only if the file cannot
 * be read.
 */
MUST_CHECK int kernel_stores_pages(const char *path, bool *stores, struct err *err);
