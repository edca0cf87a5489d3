// SPDX-License-Identifier: Apache-2.0
/* Root images as the runtime sees them: what they are, the configuration and annotations that
 * name one, and QEMU's command line. The images are made with the code of osbuilder. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "config/config.h"
#include "osbuilder/verity.h"
#include "vmm/qemu/cmdline.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha512.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define H "io.katacontainers.config.hypervisor."

enum { BLOCKS = 20 };

static struct err err;
static char dir[SCRATCH_DIR];
static struct runtime_config *config;

static void put(const char *name, const void *data, size_t len)
{
	scratch_write(dir, name, data, len, 0755);
}

/* The first bytes of a file system, up to its magic number. */
static void put_fs(const char *name, const char *type)
{
	static const struct {
		const char *type, *mark;
		size_t at;
	} marks[] = { { "erofs", "\xe2\xe1\xf5\xe0", 1024 },
		      { "ext4", "\x53\xef", 1080 },
		      { "squashfs", "hsqs", 0 },
		      { "xfs", "XFSB", 0 } };
	static uint8_t data[BLOCKS * VERITY_BLOCK];

	memset(data, 0, sizeof(data));
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (str_eq(marks[i].type, type))
			memcpy(data + marks[i].at, marks[i].mark, strlen(marks[i].mark));
	}
	put(name, data, sizeof(data));
}

/* Makes an image of it; with a tree, NAME.verity has the parameters. */
static void put_image(const char *name, const char *type, enum verity_kind kind)
{
	AUTO(str) char *fs = path_join(dir, "fs"), *path = path_join(dir, name), *line = NULL;
	AUTO(str) char *beside = str_fmt("%s.verity", name);
	AUTO(fd) int in = -1, out = -1;
	struct verity v;

	put_fs("fs", type);
	in = open(fs, O_RDONLY | O_CLOEXEC);
	out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert(in >= 0 && out >= 0);
	ck_assert_msg(verity_make_image(in, fs, kind, out, path, &v, &err) == 0, "%s", err.msg);
	if (kind != VERITY_TREE)
		return;
	line = verity_params(&v);
	put(beside, line, strlen(line));
}

static void configure(const char *root)
{
	AUTO(str)
	char *text = str_fmt("[hypervisor.qemu]\npath = \"%s/qemu\"\nkernel = \"%s/kernel\"\n"
			     "virtio_fs_daemon = \"%s/qemu\"\nenable_annotations = [\".*\"]\n%s\n",
			     dir, dir, dir, root);

	put("configuration.toml", text, strlen(text));
}

static void setup(void)
{
	err_clear(&err);
	config = NULL;
	scratch_make(dir, "image");
	put("qemu", "", 0);
	put("kernel", "", 0);
	put("initrd", "", 0);
}

static void teardown(void)
{
	if (config)
		config_free(config);
	scratch_remove(dir);
}

static void load(const char *const *annotations)
{
	AUTO(str) char *file = path_join(dir, "configuration.toml");

	config = config_load(file, annotations, &err);
}

static void loads(const char *const *annotations)
{
	load(annotations);
	ck_assert_msg(config != NULL, "%s", err.msg);
}

static void fails(const char *const *annotations, enum err_code code, const char *says)
{
	load(annotations);
	ck_assert_msg(config == NULL, "loaded; expected: %s", says);
	ck_assert_msg(err.code == code, "%s: %s", err_slug(err.code), err.msg);
	ck_assert_msg(strstr(err.msg, says) != NULL, "'%s' lacks '%s'", err.msg, says);
	ck_assert_msg(strstr(err.msg, "; ") != NULL, "no remedy: %s", err.msg);
	err_clear(&err);
}

static char *command_line(void)
{
	const struct vmm_request r = { .config = config,
				       .dir = "/dir",
				       .accelerator = "kvm",
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 256 },
				       .most = { 1, 512 } };
	AUTO(strv) char **argv = qemu_command_line(&r);

	return strv_join(argv, " ");
}

static void has(const char *line, const char *words)
{
	ck_assert_msg(strstr(line, words) != NULL, "no '%s' in %s", words, line);
}

static void lacks(const char *line, const char *words)
{
	ck_assert_msg(strstr(line, words) == NULL, "'%s' in %s", words, line);
}

/* --- which file system, and where --- */

static const char *const types[] = { "erofs", "ext4", "squashfs", "xfs" };

START_TEST(an_image_with_partitions_is_recognized)
{
	AUTO(str) char *line = NULL, *root = str_fmt("image = \"%s/image\"\n", dir);
	AUTO(str) char *verity = NULL, *type = str_fmt(" rootfstype=%s ro ", types[_i]);

	put_image("image", types[_i], VERITY_TREE);
	configure(root);
	loads(NULL);
	ck_assert_str_eq(config->root.fs, types[_i]);
	ck_assert(config->root.partitioned);
	ck_assert_uint_eq(config->root.blocks, BLOCKS);
	ck_assert_int_eq((int)strlen(config->root.root_hash), 64);
	line = command_line();
	has(line, type);
	has(line, " root=/dev/dm-0 ");
	lacks(line, "-initrd");
	verity = str_fmt(" dm-mod.create=\"dm-verity,,,ro,0 %d verity 1 /dev/pmem0p1 /dev/pmem0p2 "
			 "4096 4096 %d 0 sha256 %s %s 1 panic_on_corruption\" "
			 "dm-mod.waitfor=/dev/pmem0p2 ",
			 BLOCKS * 8, BLOCKS, config->root.root_hash, config->root.salt);
	has(line, verity);
}
END_TEST

START_TEST(an_image_without_partitions_is_recognized)
{
	AUTO(str) char *line = NULL;
	AUTO(str)
	char *root = str_fmt("image = \"%s/image\"\ndisable_image_nvdimm = true\n", dir);

	put_fs("image", types[_i]);
	configure(root);
	loads(NULL);
	ck_assert_str_eq(config->root.fs, types[_i]);
	ck_assert(!config->root.partitioned);
	line = command_line();
	has(line, " root=/dev/vda rootfstype=");
	lacks(line, "dm-mod");
	lacks(line, "rootwait");
}
END_TEST

START_TEST(an_image_without_a_hash_tree_is_mounted_plainly)
{
	AUTO(str) char *line = NULL, *root = str_fmt("image = \"%s/image\"\n", dir);

	put_image("image", "ext4", VERITY_PLAIN);
	configure(root);
	loads(NULL);
	line = command_line();
	has(line, " root=/dev/pmem0p1 rootwait rootfstype=ext4 ro ");
	lacks(line, "dm-mod");
	lacks(line, "dax");
}
END_TEST

START_TEST(an_image_for_dax_is_mounted_with_dax)
{
	AUTO(str) char *line = NULL, *root = str_fmt("image = \"%s/image\"\n", dir);
	AUTO(str) char *disk = str_fmt("%sdisable_image_nvdimm = true\n", root), *plain = NULL;

	put_image("image", "ext4", VERITY_MAPPED);
	configure(root);
	loads(NULL);
	ck_assert(config->root.dax);
	line = command_line();
	has(line, " root=/dev/pmem0p1 rootwait rootflags=dax rootfstype=ext4 ro ");
	config_free(config);
	configure(disk);
	loads(NULL);
	plain = command_line();
	has(plain, " root=/dev/vda1 rootfstype=ext4 ro ");
	lacks(plain, "dax");
}
END_TEST

START_TEST(a_file_that_is_no_image_is_refused)
{
	AUTO(str) char *root = str_fmt("image = \"%s/image\"\n", dir);
	static const uint8_t mark[] = { 0x55, 0xaa };
	uint8_t text[512] = { 0 };

	configure(root);
	fails(NULL, E_CONFIG, "/image\": no such file");
	put("image", "", 0);
	fails(NULL, E_INVALID, "has no erofs, ext4, squashfs or xfs");
	put("image", "something else", 14);
	fails(NULL, E_INVALID, "has no erofs, ext4, squashfs or xfs");
	memcpy(text + 510, mark, 2);
	put("image", text, sizeof(text));
	fails(NULL, E_INVALID, "no first partition");
	memset(text + 446, 0xff, 16);
	put("image", text, sizeof(text));
	fails(NULL, E_INVALID, "no first partition");
}
END_TEST

/* --- devices --- */

START_TEST(an_image_can_be_a_disk)
{
	static const char *const machines[] = { "q35", "microvm" };
	AUTO(str) char *line = NULL, *wanted = NULL;
	AUTO(str)
	char *root =
		str_fmt("image = \"%s/a,b\"\nmachine_type = \"%s\"\ndisable_image_nvdimm = %s\n",
			dir, machines[_i], _i ? "false" : "true");

	put_image("a,b", "erofs", VERITY_TREE);
	configure(root);
	loads(NULL);
	line = command_line();
	wanted = str_fmt("-blockdev driver=file,node-name=image,filename=%s/a,,b,read-only=on "
			 "-device virtio-blk-%s,id=image0,drive=image ",
			 dir, _i ? "device" : "pci");
	has(line, wanted);
	has(line, " verity 1 /dev/vda1 /dev/vda2 4096 ");
	lacks(line, "waitfor");
	lacks(line, "nvdimm");
}
END_TEST

START_TEST(an_image_can_be_an_nvdimm)
{
	AUTO(str) char *line = NULL, *wanted = NULL;
	AUTO(str)
	char *root = str_fmt("image = \"%s/image\"\nenable_virtio_mem = %s\n%s", dir,
			     _i & 1 ? "true" : "false", "memory_slots = 3\n");

	put_image("image", "erofs", VERITY_TREE);
	configure(root);
	loads(NULL);
	line = command_line();
	wanted = str_fmt("-object memory-backend-file,id=image,mem-path=%s/image,size=2097152,"
			 "readonly=on,share=on -device nvdimm,id=image0,memdev=image,unarmed=on ",
			 dir);
	has(line, wanted);
	has(line, ",nvdimm=on ");
	has(line, _i & 1 ? " -m 256M,slots=2,maxmem=640M " : " -m 256M,slots=4,maxmem=640M ");
}
END_TEST

START_TEST(an_nvdimm_must_be_a_multiple_of_its_alignment)
{
	AUTO(str) char *root = str_fmt("image = \"%s/image\"\n", dir);

	put_fs("image", "ext4");
	configure(root);
	fails(NULL, E_CONFIG, "disable_image_nvdimm = true");
}
END_TEST

/* --- the configuration --- */

START_TEST(exactly_one_of_image_and_initrd_is_configured)
{
	AUTO(str)
	char *both = str_fmt("image = \"%s/image\"\ninitrd = \"%s/initrd\"\n", dir, dir);
	AUTO(str)
	char *unset = str_fmt("image = \"%s/image\"\ninitrd = \"\"\n", dir);

	put_image("image", "erofs", VERITY_TREE);
	configure("");
	fails(NULL, E_CONFIG, "neither 'initrd' nor 'image'");
	configure(both);
	fails(NULL, E_CONFIG, "exclude each other");
	configure(unset);
	loads(NULL);
}
END_TEST

START_TEST(the_type_is_that_of_the_image)
{
	AUTO(str) char *wrong = str_fmt("image = \"%s/image\"\nrootfs_type = \"ext4\"\n", dir);
	AUTO(str) char *right = str_fmt("image = \"%s/image\"\nrootfs_type = \"erofs\"\n", dir);

	put_image("image", "erofs", VERITY_TREE);
	configure(wrong);
	fails(NULL, E_CONFIG, "has a file system of type erofs");
	configure(right);
	loads(NULL);
}
END_TEST

#define HASH   "root_hash=" DIGEST
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define REST   ",salt=aabb,data_blocks=20,data_block_size=4096,hash_block_size=4096"

static const struct {
	const char *params, *says;
} lines[] = {
	{ HASH, "all needed" },
	{ "root_hash=12" REST, "root_hash is not" },
	{ HASH "0" REST, "root_hash is not" },
	{ HASH REST ",x=1", "unknown parameter 'x'" },
	{ HASH REST ",x", "'x' has no value" },
	{ HASH ",salt=a,data_blocks=20,data_block_size=4096,hash_block_size=4096", "salt is not" },
	{ HASH ",salt=\" x\",data_blocks=20,data_block_size=4096,hash_block_size=4096", "salt" },
	{ HASH ",salt=aa,data_blocks=0,data_block_size=4096,hash_block_size=4096", "data_blocks" },
	{ HASH ",salt=aa,data_blocks=-1,data_block_size=4096,hash_block_size=4096", "data_blocks" },
	{ HASH ",salt=aa,data_blocks=2,data_block_size=4095,hash_block_size=4096",
	  "data_block_size is no power" },
	{ HASH ",salt=aa,data_blocks=2,data_block_size=4096,hash_block_size=64",
	  "hash_block_size" },
};

START_TEST(wrong_verity_parameters_are_refused)
{
	struct root_image i = { .size = 0 };

	ck_assert_int_lt(root_image_parse(lines[_i].params, &i, &err), 0);
	ck_assert_int_eq(err.code, E_CONFIG);
	ck_assert_msg(strstr(err.msg, lines[_i].says), "'%s' lacks '%s'", err.msg, lines[_i].says);
}
END_TEST

START_TEST(a_tree_needs_its_root_hash)
{
	AUTO(str) char *root = str_fmt("image = \"%s/image\"\n", dir);
	AUTO(str) char *named = str_fmt("%skernel_verity_params = \"" HASH REST "\"\n", root);
	AUTO(str) char *beside = path_join(dir, "image.verity");

	put_image("image", "erofs", VERITY_TREE);
	ck_assert_int_eq(unlink(beside), 0);
	configure(root);
	fails(NULL, E_CONFIG, "image.verity beside it, or set kernel_verity_params");
	put("image.verity", "root_hash=1", 11);
	fails(NULL, E_CONFIG, "(the file .verity): root_hash is not");
	configure(named);
	loads(NULL);
	ck_assert_str_eq(config->root.root_hash, DIGEST);
}
END_TEST

START_TEST(a_root_hash_needs_its_tree)
{
	AUTO(str)
	char *root = str_fmt("image = \"%s/image\"\nkernel_verity_params = \"" HASH REST "\"\n",
			     dir);

	put_image("image", "erofs", VERITY_PLAIN);
	configure(root);
	fails(NULL, E_CONFIG, "no second partition");
}
END_TEST

/* --- annotations --- */

START_TEST(an_annotation_replaces_the_other_kind)
{
	AUTO(str) char *initrd = str_fmt("%s/initrd", dir), *image = str_fmt("%s/image", dir);
	AUTO(str) char *with_initrd = str_fmt("initrd = \"%s\"\n", initrd);
	AUTO(str)
	char *with_image = str_fmt("image = \"%s\"\nrootfs_type = \"erofs\"\n"
				   "kernel_verity_params = \"" HASH REST "\"\n",
				   image);
	AUTO(str) char *other = str_fmt("%s/other", dir);
	const char *const to_image[] = { H "image", image, NULL };
	const char *const to_other[] = { H "image", other, NULL };
	const char *const to_initrd[] = { H "initrd", initrd, NULL };
	const char *const both[] = { H "image", image, H "initrd", initrd, NULL };

	put_image("image", "erofs", VERITY_TREE);
	put_image("other", "ext4", VERITY_TREE);
	configure(with_initrd);
	loads(to_image);
	ck_assert_str_eq(config->initrd, "");
	config_free(config);
	fails(both, E_INVALID, "exclude each other");
	configure(with_image);
	loads(to_initrd);
	ck_assert_str_eq(config->image, "");
	config_free(config);
	loads(to_other);
	ck_assert_str_eq(config->root.fs, "ext4");
	ck_assert_str_ne(config->root.root_hash, DIGEST);
}
END_TEST

START_TEST(an_annotation_has_the_root_hash)
{
	AUTO(str) char *image = str_fmt("%s/image", dir);
	AUTO(str) char *root = str_fmt("image = \"%s\"\n", image);
	const char *const own[] = { H "kernel_verity_params", HASH REST, NULL };
	const char *const two[] = { H "kernel_verity_params", HASH REST, H "image", image, NULL };

	put_image("image", "erofs", VERITY_TREE);
	configure(root);
	loads(own);
	ck_assert_str_eq(config->root.root_hash, DIGEST);
	config_free(config);
	loads(two);
	ck_assert_str_eq(config->root.root_hash, DIGEST);
}
END_TEST

START_TEST(an_image_is_checked_and_kept_open)
{
	AUTO(str) char *image = str_fmt("%s/image", dir), *line = NULL;
	AUTO(str) char *root = str_fmt("image = \"%s\"\n", image);
	AUTO(fd) int fd = -1;
	char hex[SHA512_HEX + 1];
	const char *const hash[] = { H "image_hash", hex, NULL };

	put_image("image", "erofs", VERITY_TREE);
	configure(root);
	fd = open(image, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert(sha512_fd(fd, image, hex, &err) == 0);
	loads(hash);
	line = command_line();
	has(line, "mem-path=/proc/self/fd/59,");
	config_free(config);
	hex[0] = hex[0] == '0' ? '1' : '0';
	fails(hash, E_TRUST, "is another file");
}
END_TEST

/* --- the kernel's command line is long enough --- */

START_TEST(words_of_the_runtime_leave_room)
{
	AUTO(str) char *root = str_fmt("image = \"%s/image\"\n", dir), *line = NULL, *all = NULL;
	char words[1100];

	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	put_image("image", "squashfs", VERITY_TREE);
	all = str_fmt("%skernel_params = \"%s\"\n", root, words);
	configure(all);
	load(NULL);
	ck_assert_ptr_null(config);
	ck_assert_msg(strstr(err.msg, "the limit is 1024"), "%s", err.msg);
	err_clear(&err);
	words[1024] = '\0';
	free(all);
	all = str_fmt("%skernel_params = \"%s\"\n[agent.kata]\nenable_debug = true\n", root, words);
	configure(all);
	loads(NULL);
	config->hypervisor_debug = true;
	(void)memset(config->root.salt, 'a', 64);
	line = command_line();
	ck_assert_ptr_nonnull(strstr(line, "-append "));
	/* -append is the last but those that follow a kernel's. */
	ck_assert_uint_lt((size_t)(strstr(line, words) + 1024 - strstr(line, "-append ") - 8),
			  2047);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("root_image");
	TCase *tc = tcase_create("image");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, an_image_with_partitions_is_recognized, 0, (int)ARRAY_LEN(types));
	tcase_add_loop_test(tc, an_image_without_partitions_is_recognized, 0,
			    (int)ARRAY_LEN(types));
	tcase_add_test(tc, an_image_without_a_hash_tree_is_mounted_plainly);
	tcase_add_test(tc, an_image_for_dax_is_mounted_with_dax);
	tcase_add_test(tc, a_file_that_is_no_image_is_refused);
	tcase_add_loop_test(tc, an_image_can_be_a_disk, 0, 2);
	tcase_add_loop_test(tc, an_image_can_be_an_nvdimm, 0, 2);
	tcase_add_test(tc, an_nvdimm_must_be_a_multiple_of_its_alignment);
	tcase_add_test(tc, exactly_one_of_image_and_initrd_is_configured);
	tcase_add_test(tc, the_type_is_that_of_the_image);
	tcase_add_loop_test(tc, wrong_verity_parameters_are_refused, 0, (int)ARRAY_LEN(lines));
	tcase_add_test(tc, a_tree_needs_its_root_hash);
	tcase_add_test(tc, a_root_hash_needs_its_tree);
	tcase_add_test(tc, an_annotation_replaces_the_other_kind);
	tcase_add_test(tc, an_annotation_has_the_root_hash);
	tcase_add_test(tc, an_image_is_checked_and_kept_open);
	tcase_add_test(tc, words_of_the_runtime_leave_room);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
