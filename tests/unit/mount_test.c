// SPDX-License-Identifier: Apache-2.0
/* libs/mount: options, the mount table, and mounts in a mount namespace of our own. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <check.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

START_TEST(options_become_flags)
{
	static const struct {
		const char *options;
		unsigned long flags, propagation;
		uint64_t set, clear;
		const char *data;
	} rows[] = {
		{ "", 0, 0, 0, 0, NULL },
		{ "ro,nosuid", MS_RDONLY | MS_NOSUID, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0,
		  NULL },
		{ "ro,rw", 0, 0, 0, MOUNT_ATTR_RDONLY, NULL },
		{ "rw,ro", MS_RDONLY, 0, MOUNT_ATTR_RDONLY, 0, NULL },
		{ "rbind,rprivate", MS_BIND | MS_REC, MS_PRIVATE | MS_REC, 0, 0, NULL },
		{ "bind,slave,shared", MS_BIND, MS_SHARED, 0, 0, NULL },
		{ "noatime", MS_NOATIME, 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, NULL },
		{ "noatime,relatime", MS_NOATIME | MS_RELATIME, 0, 0, MOUNT_ATTR__ATIME, NULL },
		{ "nodiratime", MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME, 0, NULL },
		{ "size=1k,ro,mode=755", MS_RDONLY, 0, MOUNT_ATTR_RDONLY, 0, "size=1k,mode=755" },
		{ "sync,dirsync,lazytime,silent",
		  MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME | MS_SILENT, 0, 0, 0, NULL },
		{ "defaults,remount", MS_REMOUNT, 0, 0, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
		AUTO(strv) char **list = strv_split(rows[i].options, ",");
		struct err err = ERR_INIT;

		ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
		ck_assert_msg(o.flags == rows[i].flags, "%s: %#lx", rows[i].options, o.flags);
		ck_assert_uint_eq(o.propagation, rows[i].propagation);
		ck_assert_uint_eq(o.set, rows[i].set);
		ck_assert_uint_eq(o.clear, rows[i].clear);
		ck_assert(str_eq(o.data, rows[i].data));
	}
}
END_TEST

START_TEST(recursive_and_special_options)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **list = strv_split("rbind,rro,rnosuid,rsuid,ridmap,tmpcopyup", ",");
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	ck_assert_uint_eq(o.recursive_set, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(o.recursive_clear, MOUNT_ATTR_NOSUID);
	ck_assert(o.idmap && o.recursive_idmap && o.tmpcopyup);
	ck_assert(!mount_needs_finish(&o));
}
END_TEST

START_TEST(endless_options_are_refused)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(str) char *text = str_fmt("%*d", MOUNT_OPTIONS_MAX + 1, 0);
	char *list[] = { text, NULL };
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_options_parse(list, &o, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(mountinfo_is_parsed)
{
	static const char text[] =
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
		"40 36 0:5 / /with\\040space\\134 ro - tmpfs  rw\n"
		"41 36 0:6 / /x rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct";
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_msg(mount_list_parse(text, strlen(text), &list, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(list.n, 3);
	ck_assert_str_eq(list.v[0].root, "/mnt1");
	ck_assert_str_eq(list.v[0].source, "/dev/root");
	ck_assert_uint_eq(list.v[0].major, 98);
	ck_assert_str_eq(list.v[1].target, "/with space\\");
	ck_assert_str_eq(list.v[1].source, "");
	ck_assert_str_eq(list.v[1].super_options, "rw");
	ck_assert_str_eq(list.v[2].super_options, "rw,cpu,cpuacct");
	ck_assert_uint_eq(list.v[0].peers, 0);
	ck_assert_uint_eq(list.v[2].peers, 1);
	ck_assert(mount_list_has(&list, "/x") && !mount_list_has(&list, "/y"));
}
END_TEST

START_TEST(malformed_mountinfo_is_refused)
{
	static const char *const rows[] = { "36 35 98:0 / /m rw master:1 ext3 /dev/root rw",
					    "x 35 98:0 / /m rw - ext3 d rw",
					    "36 35 98 / /m rw - ext3 d rw",
					    "36 35",
					    "- - - - - - -",
					    "36 35 98:0 / /m rw shared:x - ext3 d rw",
					    "36 35 98:0 / /m\\000n rw - ext3 d rw" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(mount_list) struct mount_list list = { NULL, 0 };
		struct err err = ERR_INIT;

		ck_assert_int_eq(mount_list_parse(rows[i], strlen(rows[i]), &list, &err), -1);
		ck_assert_uint_eq(list.n, 0);
	}
}
END_TEST

/* --- tests that need root --- */

static char dir[SCRATCH_DIR];

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
	scratch_make(dir, "mount");
}

static void teardown(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_detach_below(dir, &err), 0);
	scratch_remove(dir);
}

static void attach(const char *target, const char *source, const char *type, const char *options)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **list = strv_split(options, ",");
	struct err err = ERR_INIT;

	ck_assert(mkdir(target, 0755) == 0 || errno == EEXIST);
	AUTO(fd) int fd = open(target, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	ck_assert_msg(mount_attach(fd, source, type, &o, &err) == 0, "%s", err.msg);
}

static bool writable(const char *folder)
{
	AUTO(str) char *file = path_join(folder, "w");
	AUTO(fd) int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert(fd >= 0 || errno == EROFS);
	return fd >= 0;
}

START_TEST(binds_are_readonly_from_the_start)
{
	AUTO(str) char *source = path_join(dir, "source");
	AUTO(str) char *inner = path_join(dir, "source/inner");
	AUTO(str) char *flat = path_join(dir, "flat");
	AUTO(str) char *deep = path_join(dir, "deep");
	AUTO(str) char *flat_inner = path_join(dir, "flat/inner");
	AUTO(str) char *deep_inner = path_join(dir, "deep/inner");

	attach(source, "tmpfs", "tmpfs", "mode=700");
	attach(inner, "tmpfs", "tmpfs", "");
	attach(flat, source, "bind", "rbind,ro");
	attach(deep, source, "bind", "rbind,rro");
	ck_assert(writable(source) && writable(inner));
	ck_assert(!writable(flat) && writable(flat_inner));
	ck_assert(!writable(deep) && !writable(deep_inner));
}
END_TEST

/* A bind mount is a peer of its source unless its propagation is changed. Here are two of them on
 * one place. */
START_TEST(detach_leaves_the_mounts_of_peers)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	AUTO(str) char *source = path_join(dir, "source"), *copy = path_join(dir, "copy");
	AUTO(str) char *inner = path_join(source, "inner"), *deep = path_join(inner, "deep");
	struct err err = ERR_INIT;

	attach(dir, "tmpfs", "tmpfs", "");
	ck_assert(mount(NULL, dir, NULL, MS_SHARED, NULL) == 0);
	attach(source, "tmpfs", "tmpfs", "");
	attach(inner, "tmpfs", "tmpfs", "");
	attach(deep, "tmpfs", "tmpfs", "");
	ck_assert(mkdir(copy, 0755) == 0);
	ck_assert(mount(source, copy, NULL, MS_BIND | MS_REC, NULL) == 0);
	ck_assert(mount(source, copy, NULL, MS_BIND | MS_REC, NULL) == 0);
	ck_assert_msg(mount_detach_below(copy, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(mount_list_read(&list, &err), 0);
	ck_assert(!mount_list_has(&list, copy));
	ck_assert(mount_list_has(&list, source) && mount_list_has(&list, inner) &&
		  mount_list_has(&list, deep));
}
END_TEST

START_TEST(detach_takes_the_whole_tree)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	AUTO(str) char *a = path_join(dir, "a b");
	AUTO(str) char *inner = path_join(dir, "a b/inner");
	AUTO(str) char *beside = path_join(dir, "a bc");
	struct err err = ERR_INIT;

	attach(a, "tmpfs", "tmpfs", "");
	attach(a, "tmpfs", "tmpfs", "");
	attach(inner, "tmpfs", "tmpfs", "");
	attach(beside, "tmpfs", "tmpfs", "");
	ck_assert_int_eq(mount_detach_below(a, &err), 0);
	ck_assert_int_eq(mount_list_read(&list, &err), 0);
	ck_assert(!mount_list_has(&list, a) && !mount_list_has(&list, inner));
	ck_assert(mount_list_has(&list, beside));
}
END_TEST

START_TEST(propagation_of_a_new_file_system)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **list = strv_split("shared", ",");
	AUTO(buf) struct buf text = BUF_INIT(0);
	AUTO(str) char *a = path_join(dir, "a");
	AUTO(str) char *want = str_fmt(" %s rw,relatime shared:", a);
	struct err err = ERR_INIT;

	attach(a, "tmpfs", "tmpfs", "");
	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	ck_assert(mount_needs_finish(&o));
	AUTO(fd) int top = open(a, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(mount_finish(top, &o, &err), 0);
	ck_assert_int_eq(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, &err), 0);
	ck_assert(strstr(buf_cstr(&text), want) != NULL);
}
END_TEST

/* --- many layers --- */

/* From here on this system call fails with ENOSYS, as in an old kernel. */
static void deny(long call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LEN(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Since Linux 6.8, layers of an overlay can be added one by one. */
static bool before_6_8(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	ck_assert_int_eq(uname(&u), 0);
	ck_assert_int_eq(sscanf(u.release, "%u.%u", &major, &minor), 2);
	return major < 6 || (major == 6 && minor < 8);
}

/* "lowerdir=…" of n layers in a folder of this name, each with a file of its number. */
static char *layers_make(const char *folder, size_t n)
{
	AUTO(str) char *top = path_join(dir, folder);
	AUTO(strv) char **names = NULL;
	AUTO(str) char *list = NULL;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		AUTO(str) char *layer = str_fmt("%s/%zu/fs", top, i);
		AUTO(str) char *file = str_fmt("%s/%zu", layer, i);
		AUTO(buf) struct buf name = BUF_INIT(4096);

		ck_assert_msg(path_make(layer, 0755, &err) == 0, "%s", err.msg);
		ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "x", 1, 0644, &err), 0);
		for (const char *p = layer; *p; p++)
			buf_fmt(&name, *p == ':' || *p == '\\' ? "\\%c" : "%c", *p);
		strv_push(&names, buf_cstr(&name));
	}
	list = strv_join(names, ":");
	return str_fmt("lowerdir=%s", list);
}

#define LONG_NAME                                                                             \
	"a-folder-with-a-name-that-is-long-enough-for-many-of-them-to-be-too-much-for-mount/" \
	"as-the-folders-of-a-snapshotter-that-is-far-from-the-root-of-its-file-system-are"

static const struct {
	const char *folder;
	size_t n;
	bool old; /* as with a kernel in which layers cannot be added one by one */
	enum err_code code;
} overlays[] = {
	{ LONG_NAME, 120, false, E_OK },
	{ LONG_NAME, 120, true, E_OK },
	{ LONG_NAME "/with:colons\\and-more", 60, false, E_OK },
	{ LONG_NAME "/with:colons\\and-more", 60, true, E_OK },
	{ LONG_NAME "/" LONG_NAME, 60, false, E_OK }, /* one path is too long for an option */
	{ "short", 3, false, E_OK },
	{ LONG_NAME, 400, false, E_OK },
	{ LONG_NAME, 400, true, E_LIMIT },
};

START_TEST(overlays_of_many_layers)
{
	AUTO(str) char *at = path_join(dir, "a");
	AUTO(str) char *upper = str_fmt("upperdir=%s/up/upper", dir);
	AUTO(str) char *work = str_fmt("workdir=%s/up/work", dir);
	AUTO(str) char *up = str_fmt("X-containerd.mkdir.path=%s/up/upper:0751:5:6", dir);
	AUTO(str) char *also = str_fmt("X-containerd.mkdir.path=%s/up/work", dir);
	AUTO(str) char *file = path_join(at, "new");
	AUTO(str) char *made = str_fmt("%s/up/upper", dir);
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	attach(dir, "tmpfs", "tmpfs", "");
	ck_assert_int_eq(mkdir(at, 0755), 0);
	AUTO(str) char *lower = layers_make(overlays[_i].folder, overlays[_i].n);
	char *list[] = { lower, upper, work, up, also, (char[]){ "nodev" }, NULL };
	if (overlays[_i].old)
		deny(SYS_fsopen);
	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	int r = mount_at("overlay", at, "mkdir/overlay", &o, &err);
	if (err.code == E_LIMIT && overlays[_i].code == E_OK && before_6_8()) {
		printf("skipped: %zu layers need Linux 6.8\n", overlays[_i].n);
		return;
	}
	ck_assert_msg(err.code == overlays[_i].code, "%s", err.msg);
	if (r == 0) {
		for (size_t i = 0; i < overlays[_i].n; i++) {
			AUTO(str) char *one = str_fmt("%s/%zu", at, i);

			ck_assert_msg(path_exists(one), "layer %zu is missing", i);
		}
		ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "x", 1, 0644, &err), 0);
		ck_assert(stat(made, &st) == 0 && (st.st_mode & 07777) == 0751);
		ck_assert(st.st_uid == 5 && st.st_gid == 6);
	}
}
END_TEST

/* For other types the options must fit into a page; the error says so. */
START_TEST(long_options_of_other_types)
{
	AUTO(str) char *text = str_fmt("x=%5000d", 0);
	AUTO(str) char *a = path_join(dir, "a");
	char *list[] = { text, NULL };
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	ck_assert_int_eq(mkdir(a, 0755), 0);
	ck_assert_int_eq(mount_at("tmpfs", a, "tmpfs", &o, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* Only mount_at(), which the host uses, makes directories. */
START_TEST(folders_are_made_by_mount_at_alone)
{
	AUTO(str) char *path = path_join(dir, "made");
	AUTO(str) char *option = str_fmt("X-containerd.mkdir.path=%s", path);
	AUTO(str) char *a = path_join(dir, "a");
	char *list[] = { option, NULL }, *bad[] = { (char[]){ "X-containerd.mkdir.path=x" }, NULL };
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(mount_options) struct mount_options relative = MOUNT_OPTIONS_INIT;
	struct err err = ERR_INIT;

	ck_assert_int_eq(mkdir(a, 0755), 0);
	AUTO(fd) int target = open(a, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(mount_options_parse(list, &o, &err), 0);
	ck_assert_int_eq(mount_attach(target, "tmpfs", "tmpfs", &o, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert(!path_exists(path));
	err_clear(&err);
	ck_assert_int_eq(mount_options_parse(bad, &relative, &err), 0);
	ck_assert_int_eq(mount_at("tmpfs", a, "tmpfs", &relative, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mount");
	TCase *pure = tcase_create("pure"), *real = tcase_create("real");

	tcase_add_test(pure, options_become_flags);
	tcase_add_test(pure, recursive_and_special_options);
	tcase_add_test(pure, endless_options_are_refused);
	tcase_add_test(pure, mountinfo_is_parsed);
	tcase_add_test(pure, malformed_mountinfo_is_refused);
	suite_add_tcase(suite, pure);
	if (geteuid() == 0) {
		tcase_add_checked_fixture(real, setup, teardown);
		tcase_add_test(real, binds_are_readonly_from_the_start);
		tcase_add_test(real, detach_takes_the_whole_tree);
		tcase_add_test(real, detach_leaves_the_mounts_of_peers);
		tcase_add_test(real, propagation_of_a_new_file_system);
		tcase_add_loop_test(real, overlays_of_many_layers, 0, (int)ARRAY_LEN(overlays));
		tcase_add_test(real, long_options_of_other_types);
		tcase_add_test(real, folders_are_made_by_mount_at_alone);
		tcase_set_timeout(real, 60);
		suite_add_tcase(suite, real);
	} else {
		(void)printf("SKIP: mounting needs root\n");
	}
	return suite_run(suite);
}
