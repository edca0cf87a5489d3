// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Makes a root image from a file system: a disk that a guest boots from.
 *
 *	sector 0	partition table (MBR)
 *	partition 1	the file system, from byte 4096 on, padded to whole blocks
 *	partition 2	the dm-verity hash tree over partition 1, except with VERITY_PLAIN
 *
 * The tree is the same that `veritysetup format --no-superblock` makes: version 1, SHA-256, blocks
 * of 4096 bytes, the highest level first (the kernel's
 * Documentation/admin-guide/device-mapper/verity.rst). The salt is the SHA-256 of the file system,
 * so that the same file system gives the same image.
 *
 * A guest verifies the image with the following parameters, which it must get from a trusted
 * source. They are one line in the format of Kata Containers' kernel_verity_params:
 *
 *	root_hash=HEX,salt=HEX,data_blocks=N,data_block_size=4096,hash_block_size=4096
 *
 * The image is padded to a multiple of VERITY_ALIGN, because QEMU requires that of an nvdimm.
 *
 * With VERITY_MAPPED the image has no tree, and a guest that has it as an nvdimm can map its file
 * system (dax), like the images of Kata Containers' osbuilder. The same image also works as a disk:
 *
 *	sector 0	partition table, for a disk
 *	4096		the kernel's struct nd_pfn_sb (drivers/nvdimm/pfn.h), which says that the
 *			mapped memory begins at 2 MiB
 *	2 MiB		partition table, for an nvdimm
 *	3 MiB		the file system
 */

#include "base/err.h"

#include <stdint.h>

enum { VERITY_BLOCK = 4096, VERITY_HASH = 32, VERITY_ALIGN = 2 << 20 };

struct verity {
	char root_hash[65], salt[65];
	uint64_t blocks; /* number of blocks of the file system */
};

enum verity_kind {
	VERITY_TREE,   /* with a hash tree */
	VERITY_PLAIN,  /* without one */
	VERITY_MAPPED, /* without one, for an nvdimm that the guest maps */
};

/* Reads the file system from the start of the file filesystem and writes the image to out, an
 * empty file. Both are borrowed; the names are used in errors. Sets *v only with VERITY_TREE.
 * Returns 0 or -1. E_INVALID: the file system has less than two blocks; E_LIMIT: it has 2^32
 * sectors or more. */
MUST_CHECK int verity_make_image(int filesystem, const char *name, enum verity_kind kind, int out,
				 const char *out_name, struct verity *v, struct err *err);

/* Returns the line of parameters above, which the caller frees. */
char *verity_params(const struct verity *v);
