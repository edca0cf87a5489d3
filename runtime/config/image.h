// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A root image: the disk that a guest has as its root instead of an initrd. It has a file system, alone
 * or in the first partition of a table (MBR or GPT). A second partition is a hash tree of dm-verity over
 * the first, without a superblock, by which the guest verifies each block that it reads; its root hash
 * is given by a line
 *
 *	root_hash=HEX,salt=HEX,data_blocks=N,data_block_size=BYTES,hash_block_size=BYTES
 *
 * Both are as Kata Containers' osbuilder makes them, and so is the header of an image that as an nvdimm
 * is mapped by the guest (dax): "NVDIMM_PFN_INFO" at 4096, and a table of its own from 2 MiB on.
 *
 * An image with a second partition is not used without such a line: what can be verified must be.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ROOT_IMAGE_PARAMS ".verity" /* the name of the image with this has the line */

struct root_image {
	char fs[16];      /* of the root: "ext4", "erofs", "squashfs" or "xfs" */
	bool partitioned; /* the file system is the first partition */
	bool dax;         /* as an nvdimm the guest can map it */
	uint64_t size;
	/* dm-verity; root_hash is empty where there is none. */
	char root_hash[65], salt[513];
	uint64_t blocks;
	unsigned data_block, hash_block;
};

/*
 * Reads what a guest must know of the image, which is open as fd; path is its name. params is the
 * line, or empty: then that of the file beside path, if there is one. type is the file system, or empty: it is
 * found out. E_CONFIG: params or type are not of this image; E_INVALID: it is no image.
 */
MUST_CHECK int root_image_read(int fd, const char *path, const char *params, const char *type,
			       struct root_image *out, struct err *err);

/* Parses the line only. E_CONFIG. */
MUST_CHECK int root_image_parse(const char *params, struct root_image *out, struct err *err);
