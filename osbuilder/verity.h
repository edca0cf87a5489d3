// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Makes a root image of a file system: a disk that a guest boots from.
 *
 *	sector 0	partition table (MBR)
 *	partition 1	the file system, from byte 4096 on, filled up to whole blocks
 *	partition 2	dm-verity's hash tree over it; not if it is left out
 *
 * The tree is what `veritysetup format --no-superblock` makes: version 1, SHA-256, blocks of 4096
 * bytes, the highest level first (the kernel's Documentation/admin-guide/device-mapper/verity.rst).
 * The salt is the SHA-256 of the file system, so that the same file system gives the same image.
 *
 * What a guest needs to know, and what must come to it from a trusted place, is one line, in the form
 * of Kata Containers' kernel_verity_params:
 *
 *	root_hash=HEX,salt=HEX,data_blocks=N,data_block_size=4096,hash_block_size=4096
 *
 * The image is filled up to VERITY_ALIGN, without which QEMU does not take it for an nvdimm.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { VERITY_BLOCK = 4096, VERITY_HASH = 32, VERITY_ALIGN = 2 << 20 };

struct verity {
	char root_hash[65], salt[65];
	uint64_t blocks; /* of the file system */
};

/* Writes the image of the file system, which is read from its start, to out, an empty file.
 * with_tree: with a hash tree; without one *v is not set. Names are used in errors. E_INVALID: the file
 * has less than two blocks; E_LIMIT: it has 2^32 sectors or more. */
MUST_CHECK int verity_make_image(int filesystem, const char *name, bool with_tree, int out,
				 const char *out_name, struct verity *v, struct err *err);

/* That line, heap. */
char *verity_params(const struct verity *v);
