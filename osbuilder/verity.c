// SPDX-License-Identifier: Apache-2.0
/* The root image: partition table, file system, hash tree. */

#include "osbuilder/verity.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SECTOR = 512,
	PER_BLOCK = VERITY_BLOCK / VERITY_HASH,
	MBR_TABLE = 446, /* offset of the partition table */
	MBR_ENTRY = 16,
	MBR_LINUX = 0x83,
	/* A block has 128 hashes, and 2^32 sectors are fewer than 2^30 blocks. */
	LEVELS_MAX = 5,
	TREE_MAX = 1 << 30,
};

/* The layout of a mapped image, and offsets in struct nd_pfn_sb. */
enum {
	MAPPED_BASE = 2 << 20,
	MAPPED_FIRST = 3 << 20,
	PFN_HEADER = 4096,
	PFN_SIZE = 4096,
	PFN_VERSION_MINOR = 54,
	PFN_DATA = 56,
	PFN_MODE = 72,
	PFN_ALIGN = 84,
	PFN_SUM = 4088,
	PFN_MODE_RAM = 1,
};

/* The hash tree. Level 0 has the hashes of the file system's blocks, each further level those of
 * the blocks of the level before. */
struct tree {
	struct buf level[LEVELS_MAX];
	size_t levels;
};

static void tree_release(struct tree *t)
{
	for (size_t i = 0; i < LEVELS_MAX; i++)
		buf_release(&t->level[i]);
}

DEFINE_AUTO_STRUCT(tree, struct tree, tree_release)

static void from_hex(const char *hex, uint8_t *out)
{
	for (size_t i = 0; i < VERITY_HASH; i++) {
		const char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

/* The SHA-256 of the salt followed by the block. */
static void hash_block(const uint8_t *salt, const uint8_t *block, char hex[65])
{
	AUTO(sha256) struct sha256 *s = sha256_new();

	sha256_add(s, salt, VERITY_HASH);
	sha256_add(s, block, VERITY_BLOCK);
	sha256_end(s, hex);
}

static void add_hash(struct buf *to, const uint8_t *salt, const uint8_t *block)
{
	uint8_t hash[VERITY_HASH];
	char hex[65];

	hash_block(salt, block, hex);
	from_hex(hex, hash);
	buf_add(to, hash, sizeof(hash));
}

/* Pads a level with zeros to whole blocks. */
static void fill_up(struct buf *level)
{
	static const uint8_t zeros[VERITY_BLOCK];
	size_t rest = level->len % VERITY_BLOCK;

	if (rest)
		buf_add(level, zeros, VERITY_BLOCK - rest);
}

/* Makes the levels above the complete level 0, up to a level with a single block. */
static void grow_tree(struct tree *t, const uint8_t *salt)
{
	fill_up(&t->level[0]);
	for (t->levels = 1; t->level[t->levels - 1].len > VERITY_BLOCK; t->levels++) {
		const struct buf *below = &t->level[t->levels - 1];
		struct buf *level = &t->level[t->levels];

		*level = (struct buf)BUF_INIT(TREE_MAX);
		for (size_t at = 0; at < below->len; at += VERITY_BLOCK)
			add_hash(level, salt, (const uint8_t *)below->data + at);
		fill_up(level);
	}
}

static void put_le32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* Only the first sector and the number of sectors matter. The cylinder addresses get the values
 * that mark them as unused. */
static void put_partition(uint8_t *mbr, size_t index, uint64_t offset, uint64_t bytes)
{
	uint8_t *entry = mbr + MBR_TABLE + index * MBR_ENTRY;
	static const uint8_t beyond[] = { 0xfe, 0xff, 0xff };

	memcpy(entry + 1, beyond, sizeof(beyond));
	entry[4] = MBR_LINUX;
	memcpy(entry + 5, beyond, sizeof(beyond));
	put_le32(entry + 8, (uint32_t)(offset / SECTOR));
	put_le32(entry + 12, (uint32_t)(bytes / SECTOR));
}

static int write_at(int out, uint64_t at, const void *data, size_t len, struct err *err)
{
	if (lseek(out, (off_t)at, SEEK_SET) < 0)
		return err_sys(err, "go to byte %llu", (unsigned long long)at);
	return fd_write_all(out, data, len, err);
}

/* Writes a partition table at base. tree_bytes is 0 for an image without a tree. */
static int write_table(int out, uint64_t base, uint64_t first, uint64_t blocks, uint64_t tree_bytes,
		       struct err *err)
{
	uint8_t sector[SECTOR] = { 0 };
	uint64_t end = first + blocks * VERITY_BLOCK;

	put_partition(sector, 0, first - base, blocks * VERITY_BLOCK);
	if (tree_bytes)
		put_partition(sector, 1, end - base, tree_bytes);
	sector[510] = 0x55;
	sector[511] = 0xaa;
	return write_at(out, base, sector, sizeof(sector), err);
}

/* Fletcher's checksum with 64 bits, like the kernel's nd_fletcher64. */
static uint64_t fletcher64(const uint8_t *data, size_t len)
{
	uint32_t low = 0;
	uint64_t high = 0;

	for (size_t at = 0; at < len; at += 4) {
		low += (uint32_t)data[at] | (uint32_t)data[at + 1] << 8 |
		       (uint32_t)data[at + 2] << 16 | (uint32_t)data[at + 3] << 24;
		high += low;
	}
	return high << 32 | low;
}

/* Writes the header from which the kernel's driver for persistent memory learns where the memory
 * begins, and that it has struct pages. */
static int write_pfn_header(int out, struct err *err)
{
	uint8_t header[PFN_SIZE] = "NVDIMM_PFN_INFO";
	uint64_t sum;

	header[PFN_VERSION_MINOR] = 2;
	put_le32(header + PFN_DATA, MAPPED_BASE);
	put_le32(header + PFN_MODE, PFN_MODE_RAM);
	put_le32(header + PFN_ALIGN, MAPPED_BASE);
	sum = fletcher64(header, sizeof(header));
	put_le32(header + PFN_SUM, (uint32_t)sum);
	put_le32(header + PFN_SUM + 4, (uint32_t)(sum >> 32));
	return write_at(out, PFN_HEADER, header, sizeof(header), err);
}

/* Copies the file system. With a salt it also appends the hash of each block to hashes. */
static int copy_blocks(int in, const char *name, int out, const uint8_t *salt, struct buf *hashes,
		       uint64_t *blocks, struct err *err)
{
	for (*blocks = 0;; ++*blocks) {
		uint8_t block[VERITY_BLOCK] = { 0 };
		ssize_t n = fd_read_full(in, block, sizeof(block), err);

		if (n < 0)
			return err_wrap(err, "%s", name);
		if (n == 0)
			return 0;
		if (*blocks >= UINT32_MAX / (VERITY_BLOCK / SECTOR))
			return err_set(err, E_LIMIT,
				       "%s: a partition table has room for 2 TiB at most", name);
		if (fd_write_all(out, block, sizeof(block), err) < 0)
			return -1;
		if (salt)
			add_hash(hashes, salt, block);
		if ((size_t)n < sizeof(block)) {
			++*blocks;
			return 0;
		}
	}
}

/* Appends the tree to the file system, the highest level first. */
static int write_tree(int out, const struct tree *t, uint64_t *bytes, struct err *err)
{
	*bytes = 0;
	for (size_t i = t->levels; i > 0; i--) {
		const struct buf *level = &t->level[i - 1];

		if (buf_check(level, "a hash tree", err) < 0 ||
		    fd_write_all(out, level->data, level->len, err) < 0)
			return -1;
		*bytes += level->len;
	}
	return 0;
}

static int align(int out, struct err *err)
{
	off_t end = lseek(out, 0, SEEK_END);

	if (end < 0 || ftruncate(out, (end + VERITY_ALIGN - 1) / VERITY_ALIGN * VERITY_ALIGN) < 0)
		return err_sys(err, "fill it up");
	return 0;
}

static int write_tables(int out, enum verity_kind kind, uint64_t first, uint64_t blocks,
			uint64_t tree_bytes, struct err *err)
{
	if (write_table(out, 0, first, blocks, tree_bytes, err) < 0)
		return -1;
	if (kind != VERITY_MAPPED)
		return 0;
	return write_pfn_header(out, err) < 0
		       ? -1
		       : write_table(out, MAPPED_BASE, first, blocks, tree_bytes, err);
}

static int make_image(int filesystem, const char *name, enum verity_kind kind, int out,
		      struct verity *v, struct err *err)
{
	AUTO(tree) struct tree t = { .level = { BUF_INIT(TREE_MAX) } };
	uint64_t first = kind == VERITY_MAPPED ? MAPPED_FIRST : VERITY_BLOCK;
	uint64_t blocks, size, bytes = 0;
	bool with_tree = kind == VERITY_TREE;
	uint8_t salt[VERITY_HASH];

	if (with_tree) {
		if (sha256_fd(filesystem, name, v->salt, &size, err) < 0)
			return -1;
		if (lseek(filesystem, 0, SEEK_SET) < 0)
			return err_sys(err, "return to the start of %s", name);
		from_hex(v->salt, salt);
	}
	if (lseek(out, (off_t)first, SEEK_SET) < 0)
		return err_sys(err, "leave room for the partition table");
	if (copy_blocks(filesystem, name, out, with_tree ? salt : NULL, &t.level[0], &blocks, err) <
	    0)
		return -1;
	if (blocks < 2)
		return err_set(err, E_INVALID, "%s is no file system: it has %llu blocks", name,
			       (unsigned long long)blocks);
	if (with_tree) {
		grow_tree(&t, salt);
		hash_block(salt, (const uint8_t *)t.level[t.levels - 1].data, v->root_hash);
		v->blocks = blocks;
		if (write_tree(out, &t, &bytes, err) < 0)
			return -1;
	}
	return align(out, err) < 0 ? -1 : write_tables(out, kind, first, blocks, bytes, err);
}

int verity_make_image(int filesystem, const char *name, enum verity_kind kind, int out,
		      const char *out_name, struct verity *v, struct err *err)
{
	if (make_image(filesystem, name, kind, out, v, err) < 0)
		return err_wrap(err, "make %s", out_name);
	return 0;
}

char *verity_params(const struct verity *v)
{
	return str_fmt("root_hash=%s,salt=%s,data_blocks=%llu,data_block_size=%d,"
		       "hash_block_size=%d",
		       v->root_hash, v->salt, (unsigned long long)v->blocks, VERITY_BLOCK,
		       VERITY_BLOCK);
}
