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
 *
 * Without a tree an image can be one that a guest which has it as an nvdimm maps (dax), as Kata Containers'
 * osbuilder makes them. A disk with the same file system it is, too:
 *
 *	sector 0	partition table, for a disk
 *	4096		a header of the kernel's, struct nd_pfn_sb (drivers/nvdimm/pfn.h): what it
 *			describes begins at 2 MiB
 *	2 MiB		partition table, for an nvdimm
 *	3 MiB		the file system
 */

#include "base/err.h"

#include <stdint.h>

enum { VERITY_BLOCK = 4096, VERITY_HASH = 32, VERITY_ALIGN = 2 << 20 };

struct verity {
	char root_hash[65], salt[65];
	uint64_t blocks; /* of the file system */
};

enum verity_kind {
	VERITY_TREE,
	VERITY_PLAIN,  /* without a tree */
	VERITY_MAPPED, /* likewise, to be mapped */
};

/* Writes the image of the file system, which is read from its start, to out, an empty file.
 * *v is set for one with a tree. Names are used in errors. E_INVALID: the file
 * has less than two blocks; E_LIMIT: it has 2^32 sectors or more. */
MUST_CHECK int verity_make_image(int filesystem, const char *name, enum verity_kind kind, int out,
				 const char *out_name, struct verity *v, struct err *err);

/* That line, heap. */
char *verity_params(const struct verity *v);
