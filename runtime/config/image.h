// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Root images: a disk that a guest has as its root instead of an initrd. The file system is the
 * whole disk or the first partition of a table (MBR or GPT). A second partition, if present, is a
 * hash tree of dm-verity over the first, without a superblock, by which the guest verifies each
 * block that it reads. A line has the tree's root hash and parameters:
 *
 *	root_hash=HEX,salt=HEX,data_blocks=N,data_block_size=BYTES,hash_block_size=BYTES
 *
 * Images and line have the format of Kata Containers' osbuilder. So has an image that the guest can
 * map as an nvdimm (dax): a header "NVDIMM_PFN_INFO" at 4096, and a second partition table from 2
 * MiB on.
 *
 * An image with a hash tree is refused without such a line: what can be verified must be verified.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ROOT_IMAGE_PARAMS ".verity" /* suffix of the file beside an image that has the line */

struct root_image {
	char fs[16];      /* of the root: "ext4", "erofs", "squashfs" or "xfs" */
	bool partitioned; /* the file system is the first partition */
	bool dax;         /* the guest can map it as an nvdimm */
	uint64_t size;
	/* dm-verity; root_hash is empty for an image without a hash tree. */
	char root_hash[65], salt[513];
	uint64_t blocks;
	unsigned data_block, hash_block;
};

/*
 * Reads the properties of the image that is open as fd; path is its name. params is the line; if it
 * is empty, the file beside path has it, if that exists. type is the file system, or empty to
 * detect it. E_CONFIG: params or type do not fit the image; E_INVALID: it is not an image.
 */
MUST_CHECK int root_image_read(int fd, const char *path, const char *params, const char *type,
			       struct root_image *out, struct err *err);

/* Parses a line. E_CONFIG: a parameter is unknown, malformed or missing. */
MUST_CHECK int root_image_parse(const char *params, struct root_image *out, struct err *err);
