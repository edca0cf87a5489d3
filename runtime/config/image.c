// SPDX-License-Identifier: Apache-2.0
/* Reads root images: partition table, superblock, and the line with dm-verity's parameters. */

#include "config/image.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SECTOR = 512,
	MBR_TABLE = 446,
	MBR_ENTRY = 16,
	MBR_GPT = 0xee, /* type: a GPT follows */
	GPT_ENTRIES = 2 * SECTOR,
	GPT_ENTRY = 128,
	GPT_FIRST_LBA = 32,
	HEAD = 4096,
	PFN_HEADER = 4096,
	PARAMS_MAX = 4096,
	BLOCK_MIN = 512,
	BLOCK_MAX = 65536,
};

static int invalid(struct err *err, const char *path, const char *what)
{
	err_set(err, E_INVALID, "%s is no root image: %s", path, what);
	return err_hint(err, "make rootimage and osbuilder/rootfs.sh make images");
}

/* --- the line --- */

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdefABCDEF") == len && text[len] == '\0';
}

static int take_hex(const char *name, const char *value, size_t min, size_t max, char *out,
		    struct err *err)
{
	size_t len = strlen(value);

	if (len < min || len > max || len % 2 || !is_hex(value, len))
		return err_set(err, E_CONFIG,
			       "%s is not a number of %zu or fewer hexadecimal digits", name, max);
	memcpy(out, value, len + 1);
	return 0;
}

static int take_block(const char *name, const char *value, unsigned *out, struct err *err)
{
	uint64_t size;

	if (str_u64(value, 10, BLOCK_MIN, BLOCK_MAX, name, &size, err) < 0)
		return -1;
	if (size & (size - 1))
		return err_set(err, E_CONFIG, "%s is no power of two", name);
	*out = (unsigned)size;
	return 0;
}

static int take_param(const char *name, const char *value, struct root_image *out, struct err *err)
{
	if (str_eq(name, "root_hash"))
		return take_hex(name, value, 64, 64, out->root_hash, err);
	if (str_eq(name, "salt"))
		return take_hex(name, value, 2, sizeof(out->salt) - 1, out->salt, err);
	if (str_eq(name, "data_blocks"))
		return str_u64(value, 10, 1, UINT64_MAX / BLOCK_MAX, name, &out->blocks, err);
	if (str_eq(name, "data_block_size"))
		return take_block(name, value, &out->data_block, err);
	if (str_eq(name, "hash_block_size"))
		return take_block(name, value, &out->hash_block, err);
	return err_set(err, E_CONFIG, "unknown parameter '%.64s'", name);
}

int root_image_parse(const char *params, struct root_image *out, struct err *err)
{
	AUTO(strv) char **words = strv_split(params, ",");

	strv_each(word, words) {
		char *value = strchr(*word, '=');

		if (!value)
			return err_set(err, E_CONFIG, "'%.64s' has no value", *word);
		*value++ = '\0';
		if (take_param(*word, value, out, err) < 0) {
			err->code = E_CONFIG;
			return -1;
		}
	}
	if (!*out->root_hash || !*out->salt || !out->blocks || !out->data_block || !out->hash_block)
		return err_set(err, E_CONFIG,
			       "root_hash, salt, data_blocks, data_block_size and hash_block_size "
			       "are all needed");
	return 0;
}

/* --- the disk --- */

/* Reads HEAD bytes at that offset; zeros after the end of the file. */
static int read_head(int fd, const char *path, uint64_t at, uint8_t head[HEAD], struct err *err)
{
	memset(head, 0, HEAD);
	if (pread(fd, head, HEAD, (off_t)at) < 0)
		return err_sys(err, "read %s", path);
	return 0;
}

static uint32_t le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* The type of a file system, from the magic number of its superblock; NULL if it is none of
 * these. */
static const char *file_system(const uint8_t head[HEAD])
{
	static const struct {
		const char *name, *mark;
		size_t at, len;
	} known[] = {
		{ "erofs", "\xe2\xe1\xf5\xe0", 1024, 4 },
		{ "ext4", "\x53\xef", 1024 + 56, 2 },
		{ "squashfs", "hsqs", 0, 4 },
		{ "xfs", "XFSB", 0, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (memcmp(head + known[i].at, known[i].mark, known[i].len) == 0)
			return known[i].name;
	}
	return NULL;
}

/* The offsets of the first two partitions of the table at base; 0 for one that does not exist. */
static void read_table(const uint8_t head[HEAD], uint64_t base, uint64_t offset[2])
{
	const uint8_t *entry = head + MBR_TABLE;
	bool gpt = entry[4] == MBR_GPT;

	for (size_t i = 0; i < 2; i++) {
		uint64_t first = gpt ? le32(head + GPT_ENTRIES + i * GPT_ENTRY + GPT_FIRST_LBA)
				     : le32(entry + i * MBR_ENTRY + 8);

		offset[i] = first ? base + first * SECTOR : 0;
	}
}

static bool has_table(const uint8_t head[HEAD])
{
	return head[510] == 0x55 && head[511] == 0xaa;
}

static bool has_pfn_header(int fd)
{
	static const char mark[16] = "NVDIMM_PFN_INFO";
	char is[sizeof(mark)] = "";

	return pread(fd, is, sizeof(is), PFN_HEADER) == sizeof(is) &&
	       memcmp(is, mark, sizeof(mark)) == 0;
}

/* Detects the file system. *tree: the image has a second partition. */
static int read_disk(int fd, const char *path, struct root_image *out, bool *tree, struct err *err)
{
	uint64_t offset[2] = { 0, 0 };
	uint8_t head[HEAD];
	const char *fs;

	if (read_head(fd, path, 0, head, err) < 0)
		return -1;
	fs = file_system(head);
	if (!fs && has_table(head)) {
		read_table(head, 0, offset);
		if (!offset[0] || offset[0] >= out->size)
			return invalid(err, path, "its table has no first partition");
		if (read_head(fd, path, offset[0], head, err) < 0)
			return -1;
		fs = file_system(head);
		out->partitioned = true;
	}
	*tree = offset[1] != 0;
	(void)str_print(out->fs, sizeof(out->fs), "%s", fs ? fs : "");
	return 0;
}

static int choose_type(const char *path, const char *type, struct root_image *out, struct err *err)
{
	if (!*type && !*out->fs)
		return invalid(err, path, "it has no erofs, ext4, squashfs or xfs");
	if (*type && *out->fs && !str_eq(type, out->fs)) {
		err_set(err, E_CONFIG, "rootfs_type = \"%s\", but %s has a file system of type %s",
			type, path, out->fs);
		return err_hint(err, "leave rootfs_type out");
	}
	if (*type)
		(void)str_print(out->fs, sizeof(out->fs), "%s", type);
	return 0;
}

/* The line: params, or that of the file beside the image; heap, "" if neither exists. */
static char *find_params(const char *path, const char *params, struct err *err)
{
	AUTO(str) char *beside = str_fmt("%s" ROOT_IMAGE_PARAMS, path);
	AUTO(buf) struct buf text = BUF_INIT(PARAMS_MAX);

	int there = *params ? 0 : path_look(AT_FDCWD, beside, err);

	if (there <= 0)
		return there < 0 ? NULL : xstrdup(params);
	if (file_read(AT_FDCWD, beside, PARAMS_MAX, &text, err) < 0)
		return NULL;
	return xstrndup(buf_cstr(&text), strcspn(buf_cstr(&text), "\r\n"));
}

static int check_tree(const char *path, bool tree, const struct root_image *out, struct err *err)
{
	if (tree && !*out->root_hash) {
		err_set(err, E_CONFIG,
			"%s can be verified (its second partition is a hash tree), but its root "
			"hash is not known",
			path);
		return err_hint(err,
				"install %s" ROOT_IMAGE_PARAMS
				" beside it, or set kernel_verity_params",
				path);
	}
	if (!tree && *out->root_hash) {
		err_set(err, E_CONFIG,
			"%s has a root hash, but no second partition with a hash tree", path);
		return err_hint(err,
				"the root hash (kernel_verity_params, or %s" ROOT_IMAGE_PARAMS
				") is that of another image",
				path);
	}
	return 0;
}

int root_image_read(int fd, const char *path, const char *params, const char *type,
		    struct root_image *out, struct err *err)
{
	AUTO(str) char *line = NULL;
	struct stat st;
	bool tree;

	*out = (struct root_image){ .partitioned = false };
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	out->size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode))
		return invalid(err, path, "it is not a regular file");
	if (read_disk(fd, path, out, &tree, err) < 0 || choose_type(path, type, out, err) < 0)
		return -1;
	line = find_params(path, params, err);
	if (!line)
		return -1;
	if (*line && root_image_parse(line, out, err) < 0) {
		err_wrap(err, "the root hash of %s (%s)", path,
			 *params ? "kernel_verity_params" : "the file " ROOT_IMAGE_PARAMS);
		return err_hint(err, "take the whole line from the release or from osbuilder");
	}
	out->dax = !*out->root_hash && has_pfn_header(fd);
	return check_tree(path, tree, out, err);
}
