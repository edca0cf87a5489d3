// SPDX-License-Identifier: Apache-2.0
/* Root images: their partition table, and the hash tree, verified by veritysetup if installed. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "osbuilder/verity.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];

static void setup(void)
{
	scratch_make(dir, "verity");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static char *below(const char *name)
{
	return path_join(dir, name);
}

/* Makes a file of so many bytes; all blocks differ. */
static int make_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct err err = ERR_INIT;

	ck_assert_int_ge(fd, 0);
	for (size_t at = 0; at < bytes; at += VERITY_BLOCK) {
		uint32_t block[VERITY_BLOCK / 4];
		size_t n = bytes - at < VERITY_BLOCK ? bytes - at : VERITY_BLOCK;

		for (size_t i = 0; i < VERITY_BLOCK / 4; i++)
			block[i] = (uint32_t)(at * 2654435761u + i);
		ck_assert(fd_write_all(fd, block, n, &err) == 0);
	}
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int make_image(size_t bytes, enum verity_kind kind, const char *name, struct verity *v,
		      struct err *err)
{
	AUTO(str) char *from = below("fs"), *to = below(name);
	AUTO(fd) int in = make_file(from, bytes);
	AUTO(fd) int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(out, 0);
	return verity_make_image(in, from, kind, out, to, v, err);
}

static uint32_t le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void read_image(const char *name, struct buf *out)
{
	AUTO(str) char *path = below(name);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 28, out, &err) == 0, "%s", err.msg);
}

/* Blocks of a level, from the file system's up to one. */
static uint64_t tree_blocks(uint64_t blocks)
{
	uint64_t sum = 0;

	do {
		blocks = (blocks + 127) / 128;
		sum += blocks;
	} while (blocks > 1);
	return sum;
}

static bool has_veritysetup(void)
{
	return access("/usr/sbin/veritysetup", X_OK) == 0;
}

/* veritysetup verifies the file system against the tree and the root hash. */
static void ask_veritysetup(const char *name, const struct verity *v, bool good)
{
	AUTO(str) char *image = below(name), *tree = below("tree"), *fs = below("fs");
	AUTO(str) char *salt = str_fmt("--salt=%s", v->salt);
	AUTO(str) char *blocks = str_fmt("--data-blocks=%llu", (unsigned long long)v->blocks);
	AUTO(buf) struct buf all = BUF_INIT(0), said = BUF_INIT(1 << 16);
	struct err err = ERR_INIT;
	size_t at = (1 + v->blocks) * VERITY_BLOCK;
	int rc;

	(void)image;
	read_image(name, &all);
	ck_assert(file_replace_volatile(AT_FDCWD, fs, all.data + VERITY_BLOCK,
					v->blocks * VERITY_BLOCK, 0600, &err) == 0);
	ck_assert(file_replace_volatile(AT_FDCWD, tree, all.data + at, all.len - at, 0600, &err) ==
		  0);
	rc = spawn_run(
		&(struct spawn){ .argv = ARGV("/usr/sbin/veritysetup", "verify", "--no-superblock",
					      "--hash=sha256", salt, blocks,
					      "--data-block-size=4096", "--hash-block-size=4096",
					      fs, tree, (char *)v->root_hash) },
		NULL, 0, &said, deadline_in(60000), &err);
	ck_assert_msg((rc == 0) == good, "veritysetup: %s %s", buf_cstr(&said), err.msg);
}

static const size_t sizes[] = {
	2 * VERITY_BLOCK,         3 * VERITY_BLOCK - 1,         127 * VERITY_BLOCK,
	128 * VERITY_BLOCK,       129 * VERITY_BLOCK,           1000 * VERITY_BLOCK + 1,
	128 * 128 * VERITY_BLOCK, 128 * 128 * VERITY_BLOCK + 5,
};

START_TEST(an_image_is_one_that_veritysetup_verifies)
{
	uint64_t blocks = (sizes[_i] + VERITY_BLOCK - 1) / VERITY_BLOCK;
	AUTO(buf) struct buf all = BUF_INIT(0);
	struct err err = ERR_INIT;
	const uint8_t *table;
	struct verity v;

	ck_assert_msg(make_image(sizes[_i], VERITY_TREE, "image", &v, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(v.blocks, blocks);
	read_image("image", &all);
	ck_assert_uint_eq(all.len % VERITY_ALIGN, 0);
	ck_assert_uint_ge(all.len, (1 + blocks + tree_blocks(blocks)) * VERITY_BLOCK);
	table = (const uint8_t *)all.data;
	ck_assert_uint_eq(table[510], 0x55);
	ck_assert_uint_eq(table[511], 0xaa);
	ck_assert_uint_eq(le32(table + 446 + 8), 8);
	ck_assert_uint_eq(le32(table + 446 + 12), blocks * 8);
	ck_assert_uint_eq(le32(table + 462 + 8), (1 + blocks) * 8);
	ck_assert_uint_eq(le32(table + 462 + 12), tree_blocks(blocks) * 8);
	for (size_t at = 478; at < 510; at++)
		ck_assert_uint_eq(table[at], 0);
	if (!has_veritysetup())
		return;
	ask_veritysetup("image", &v, true);
	v.root_hash[0] = v.root_hash[0] == '0' ? '1' : '0';
	ask_veritysetup("image", &v, false);
}
END_TEST

START_TEST(an_image_made_twice_has_the_same_bytes)
{
	AUTO(buf) struct buf a = BUF_INIT(0), b = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct verity v, w;

	ck_assert(make_image(500000, VERITY_TREE, "a", &v, &err) == 0);
	ck_assert(make_image(500000, VERITY_TREE, "b", &w, &err) == 0);
	read_image("a", &a);
	read_image("b", &b);
	ck_assert_uint_eq(a.len, b.len);
	ck_assert(memcmp(a.data, b.data, a.len) == 0);
	ck_assert_str_eq(v.root_hash, w.root_hash);
}
END_TEST

START_TEST(a_plain_image_has_one_partition)
{
	AUTO(buf) struct buf all = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct verity v;

	ck_assert(make_image(500000, VERITY_PLAIN, "image", &v, &err) == 0);
	read_image("image", &all);
	ck_assert_uint_eq(le32((uint8_t *)all.data + 446 + 8), 8);
	ck_assert_uint_eq(le32((uint8_t *)all.data + 462 + 8), 0);
}
END_TEST

/* The header's sum is the kernel's to check: a guest is booted from such an image in
 * tests/integration. */
START_TEST(an_image_for_dax_is_aligned)
{
	AUTO(buf) struct buf all = BUF_INIT(0), fs = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct verity v;

	ck_assert(make_image(500000, VERITY_MAPPED, "image", &v, &err) == 0);
	read_image("image", &all);
	read_image("fs", &fs);
	ck_assert_uint_eq(all.len, 4 << 20);
	ck_assert_uint_eq(le32((uint8_t *)all.data + 446 + 8), 3 * 2048);
	ck_assert_str_eq(all.data + 4096, "NVDIMM_PFN_INFO");
	ck_assert_uint_eq(le32((uint8_t *)all.data + (2 << 20) + 446 + 8), 2048);
	ck_assert_uint_eq(le32((uint8_t *)all.data + (2 << 20) + 462 + 8), 0);
	ck_assert(memcmp(all.data + (3 << 20), fs.data, fs.len) == 0);
}
END_TEST

START_TEST(a_file_system_that_is_too_small_is_refused)
{
	static const size_t bytes[] = { 0, 1, VERITY_BLOCK };

	for (size_t i = 0; i < 3; i++) {
		struct err err = ERR_INIT;
		struct verity v;

		ck_assert_int_lt(make_image(bytes[i], VERITY_TREE, "image", &v, &err), 0);
		ck_assert_int_eq(err.code, E_INVALID);
	}
}
END_TEST

START_TEST(parameters_are_those_of_the_kernel_line)
{
	struct verity v = { .blocks = 12 };
	AUTO(str) char *line = NULL, *wanted = NULL;

	memset(v.root_hash, 'a', 64);
	memset(v.salt, 'b', 64);
	line = verity_params(&v);
	wanted = str_fmt("root_hash=%s,salt=%s,data_blocks=12,data_block_size=4096,"
			 "hash_block_size=4096",
			 v.root_hash, v.salt);
	ck_assert_str_eq(line, wanted);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("root_verity");
	TCase *tc = tcase_create("verity");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, an_image_is_one_that_veritysetup_verifies, 0,
			    (int)(sizeof(sizes) / sizeof(*sizes)));
	tcase_add_test(tc, an_image_made_twice_has_the_same_bytes);
	tcase_add_test(tc, a_plain_image_has_one_partition);
	tcase_add_test(tc, an_image_for_dax_is_aligned);
	tcase_add_test(tc, a_file_system_that_is_too_small_is_refused);
	tcase_add_test(tc, parameters_are_those_of_the_kernel_line);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
