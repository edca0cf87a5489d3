// SPDX-License-Identifier: Apache-2.0
/* libs/mount: the option table, mountinfo, and mounts in a private mount namespace (needs root). */

#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <check.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------- options
 */

static const struct {
	const char *words;
	unsigned long flags, propagation;
	uint64_t set, clear;
	const char *data;
} options[] = {
	{ "", 0, 0, 0, 0, "" },
	{ "defaults", 0, 0, 0, 0, "" },
	{ "ro,nosuid,nodev,noexec", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, 0, 0, "" },
	{ "ro,rw", 0, 0, 0, 0, "" },
	{ "nosuid,suid,nodev,dev,noexec,exec,sync,async,noatime,atime", 0, 0, 0, 0, "" },
	{ "bind", MS_BIND, 0, 0, 0, "" },
	{ "rbind,ro", MS_BIND | MS_REC | MS_RDONLY, 0, 0, 0, "" },
	{ "remount,relatime", MS_REMOUNT | MS_RELATIME, 0, 0, 0, "" },
	{ "private", 0, MS_PRIVATE, 0, 0, "" },
	{ "rshared", 0, MS_SHARED | MS_REC, 0, 0, "" },
	{ "rprivate,rslave", 0, MS_SLAVE | MS_REC, 0, 0, "" },
	{ "rro", 0, 0, MOUNT_ATTR_RDONLY, 0, "" },
	{ "rro,rrw", 0, 0, 0, MOUNT_ATTR_RDONLY, "" },
	{ "rrw,rro", 0, 0, MOUNT_ATTR_RDONLY, 0, "" },
	{ "rnosuid,rnodev", 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, "" },
	{ "rnoatime", 0, 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, "" },
	{ "mode=755,size=64k", 0, 0, 0, 0, "mode=755,size=64k" },
	{ "ro,mode=755,noexec,uid=0", MS_RDONLY | MS_NOEXEC, 0, 0, 0, "mode=755,uid=0" },
};

START_TEST(options_follow_the_table)
{
	AUTO(strv) char **words = strv_split(options[_i].words, ",");
	AUTO(mount_options) struct mount_options o = { 0 };
	struct err err = ERR_INIT;

	ck_assert_msg(mount_options_parse(words, &o, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(o.flags, options[_i].flags);
	ck_assert_uint_eq(o.propagation, options[_i].propagation);
	ck_assert_uint_eq(o.recursive_set, options[_i].set);
	ck_assert_uint_eq(o.recursive_clear, options[_i].clear);
	ck_assert_str_eq(o.data, options[_i].data);
}
END_TEST

START_TEST(options_that_are_refused)
{
	AUTO(mount_options) struct mount_options o = { 0 };
	AUTO(str) char *long_word = str_fmt("lowerdir=%05000d", 0);
	char *idmap[] = { (char[]){ "idmap" }, NULL }, *too_long[] = { long_word, NULL };
	struct err err = ERR_INIT;

	ck_assert_int_lt(mount_options_parse(idmap, &o, &err), 0);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	err_clear(&err);
	ck_assert_int_lt(mount_options_parse(too_long, &o, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* -------------------------------------------------------------------------------------- mountinfo
 */

START_TEST(mountinfo_is_read)
{
	static const char text[] =
		"36 35 98:0 /mnt1 /mnt/a\\040b\\011c\\012d\\134e rw master:1 propagate_from:2 - "
		"ext3 /dev/root\\0401 rw,errors=continue\n"
		"\n"
		"37 36 0:5 / /x\\9\\40 rw - tmpfs none rw";
	AUTO(mount_table) struct mount_table t = { VEC_INIT };
	struct err err = ERR_INIT;

	ck_assert_msg(mount_table_parse(text, strlen(text), &t, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(t.entries.n, 2);
	ck_assert_int_eq(t.entries.v[0].id, 36);
	ck_assert_int_eq(t.entries.v[0].parent, 35);
	ck_assert_str_eq(t.entries.v[0].root, "/mnt1");
	ck_assert_str_eq(t.entries.v[0].path, "/mnt/a b\tc\nd\\e");
	ck_assert_str_eq(t.entries.v[0].type, "ext3");
	ck_assert_str_eq(t.entries.v[0].source, "/dev/root 1");
	ck_assert_str_eq(t.entries.v[1].path, "/x\\9\\40");
	ck_assert_str_eq(t.entries.v[1].type, "tmpfs");
}
END_TEST

START_TEST(broken_mountinfo_is_refused)
{
	static const char *const cases[] = {
		"36 35 98:0 /mnt1",
		"x 35 98:0 / / rw - ext4 a rw",
		"36 -1 98:0 / / rw - ext4 a rw",
		"36 35 98:0 / / rw shared:1 ext4 a rw",
		"36 35 98:0 / / rw - ext4",
	};
	AUTO(mount_table) struct mount_table t = { VEC_INIT };
	struct err err = ERR_INIT;

	ck_assert_int_lt(mount_table_parse(cases[_i], strlen(cases[_i]), &t, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* ----------------------------------------------------------------------------------------- mounts
 */

static char dir[64];

static void in_private_namespace(void)
{
	(void)str_print(dir, sizeof(dir), "/tmp/kata-mount-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
}

static void leave(void)
{
	struct err err = ERR_INIT;

	ck_assert_msg(path_remove_tree(dir, &err) == 0, "%s", err.msg);
}

static void do_mount(const char *source, const char *name, const char *type, const char *words)
{
	AUTO(strv) char **list = strv_split(words, ",");
	AUTO(mount_options) struct mount_options o = { 0 };
	AUTO(str) char *path = path_join(dir, name);
	struct err err = ERR_INIT;

	ck_assert(path_make(path, 0755, &err) == 0);
	ck_assert_msg(mount_options_parse(list, &o, &err) == 0, "%s", err.msg);
	ck_assert_msg(mount_at(source, path, type, &o, &err) == 0, "%s", err.msg);
}

static unsigned long flags_of(const char *name)
{
	AUTO(str) char *path = path_join(dir, name);
	struct statvfs s;

	ck_assert_int_eq(statvfs(path, &s), 0);
	return s.f_flag;
}

static size_t mounts_below(const char *path)
{
	AUTO(mount_table) struct mount_table t = { VEC_INIT };
	struct err err = ERR_INIT;
	size_t n = 0;

	ck_assert_msg(mount_table_read(&t, &err) == 0, "%s", err.msg);
	vec_each(struct mount_entry, e, &t.entries)
		n += path_is_below(e->path, path);
	return n;
}

START_TEST(options_reach_the_mount)
{
	struct err err = ERR_INIT;

	do_mount("tmpfs", "t", "tmpfs", "nosuid,noexec,size=64k");
	ck_assert_uint_eq(flags_of("t") & (ST_NOSUID | ST_NOEXEC | ST_RDONLY),
			  ST_NOSUID | ST_NOEXEC);
	AUTO(str) char *source = path_join(dir, "t");
	do_mount(source, "bound", "none", "bind,ro,nodev");
	ck_assert_uint_eq(flags_of("bound") & (ST_RDONLY | ST_NODEV), ST_RDONLY | ST_NODEV);
	ck_assert_uint_eq(flags_of("t") & ST_RDONLY, 0);
	do_mount("tmpfs", "t/sub", "tmpfs", "rw");
	do_mount(source, "all", "none", "rbind,rro,rprivate");
	ck_assert_uint_eq(flags_of("all") & ST_RDONLY, ST_RDONLY);
	ck_assert_uint_eq(flags_of("all/sub") & ST_RDONLY, ST_RDONLY);
	ck_assert_uint_eq(flags_of("t/sub") & ST_RDONLY, 0);
	ck_assert_msg(mount_detach_below(dir, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(detach_takes_what_is_below_and_no_more)
{
	struct err err = ERR_INIT;
	AUTO(str) char *a = path_join(dir, "a");
	AUTO(str) char *ab = path_join(dir, "ab");

	do_mount("tmpfs", "a", "tmpfs", "");
	do_mount("tmpfs", "a", "tmpfs", "");
	do_mount("tmpfs", "a/with space", "tmpfs", "");
	do_mount("tmpfs", "a/with space/deep", "tmpfs", "");
	do_mount("tmpfs", "ab", "tmpfs", "");
	ck_assert_uint_eq(mounts_below(a), 4);
	ck_assert_msg(mount_detach_below(a, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(mounts_below(a), 0);
	ck_assert_uint_eq(mounts_below(ab), 1);
	ck_assert_msg(mount_detach_below(a, &err) == 0, "%s", err.msg);
	ck_assert_msg(mount_detach_below(ab, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(a_failed_mount_names_the_place)
{
	AUTO(mount_options) struct mount_options o = { 0 };
	struct err err = ERR_INIT;

	ck_assert(mount_options_parse(NULL, &o, &err) == 0);
	ck_assert_int_lt(mount_at("tmpfs", "/nonexistent/place", "tmpfs", &o, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert(strstr(err.msg, "/nonexistent/place") != NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mount");
	TCase *text = tcase_create("text"), *real = tcase_create("real");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(text, options_follow_the_table, 0, (int)ARRAY_LEN(options));
	tcase_add_test(text, options_that_are_refused);
	tcase_add_test(text, mountinfo_is_read);
	tcase_add_loop_test(text, broken_mountinfo_is_refused, 0, 5);
	suite_add_tcase(suite, text);
	tcase_add_checked_fixture(real, in_private_namespace, leave);
	tcase_add_test(real, options_reach_the_mount);
	tcase_add_test(real, detach_takes_what_is_below_and_no_more);
	tcase_add_test(real, a_failed_mount_names_the_place);
	if (geteuid() == 0)
		suite_add_tcase(suite, real);
	else
		(void)printf("skipped: mounts need root\n");
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
