// SPDX-License-Identifier: Apache-2.0
/* Which share a VM gets, and which virtiofsd serves it. */

#include "mount/mount.h"
#include "share/choice.h"
#include "share/share.h"
#include "share/virtiofsd.h"
#include "vmm/kernel.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/thread.h"
#include "tests/unit/kernel_lab.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *kernel;

static void make_dir(void)
{
	scratch_make(dir, "share");
	kernel = path_join(dir, "vmlinux");
}

static void remove_dir(void)
{
	scratch_remove(dir);
	free(kernel);
}

/* --- kernels --- */

static bool stores(void)
{
	struct err err = ERR_INIT;
	bool stores = true;

	ck_assert_msg(kernel_stores_pages(kernel, &stores, &err) == 0, "%s", err.msg);
	return stores;
}

static const struct note xen = { "Xen", 18, 8 }, build_id = { "GNU", 3, 20 },
			 ours = NOTE_STORES_PAGES, other = { "Kata", 2, 4 },
			 no_desc = { "Kata", 1, 0 }, end = NOTE_END;

START_TEST(a_note_in_the_kernel_is_found)
{
	kernel_lab_write(kernel, (struct note[]){ ours, end }, 0);
	ck_assert(stores());
	kernel_lab_write(kernel, (struct note[]){ xen, build_id, ours, end }, 0);
	ck_assert(stores());
	kernel_lab_write(kernel, (struct note[]){ other, no_desc, end }, 0);
	ck_assert(stores());
	kernel_lab_write(kernel, (struct note[]){ xen, build_id, other, end }, 0);
	ck_assert(!stores());
	kernel_lab_write(kernel, NULL, 0);
	ck_assert(!stores());
}
END_TEST

/* Cut at every byte, nothing is read beyond the end. */
START_TEST(a_truncated_kernel_has_no_note)
{
	struct note notes[] = { xen, ours, end };

	for (size_t cut = 1; cut < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 40; cut++) {
		kernel_lab_write(kernel, notes, cut);
		ck_assert(!stores());
	}
}
END_TEST

START_TEST(wrong_lengths_in_a_note_are_refused)
{
	static const uint32_t huge[] = { 0xffffffff, 0xfffffffd, 0x7fffffff, 0x10000 };

	for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
		for (size_t field = 0; field < 2; field++) {
			AUTO(buf) struct buf b = BUF_INIT(65536);
			struct err err = ERR_INIT;

			kernel_lab_write(kernel, (struct note[]){ xen, ours, end }, 0);
			ck_assert(file_read(AT_FDCWD, kernel, 65536, &b, &err) == 0);
			memcpy(b.data + sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 4 * field,
			       &huge[i], 4);
			ck_assert(file_replace_volatile(AT_FDCWD, kernel, b.data, b.len, 0600,
							&err) == 0);
			ck_assert(!stores());
		}
	}
}
END_TEST

START_TEST(a_file_that_is_no_elf_file_has_no_note)
{
	struct err err = ERR_INIT;
	bool stores = true;

	ck_assert_int_eq(kernel_stores_pages("/dev/null", &stores, &err), 0);
	ck_assert(!stores);
	ck_assert_int_eq(kernel_stores_pages("/nonexistent/vmlinux", &stores, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

/* --- the choice --- */

static const struct choice {
	const char *asked, *accelerator;
	bool stores;
	const char *fs; /* NULL: refused */
} choices[] = {
	{ "", "kvm", false, SHARE_VIRTIOFS },
	{ "", "kvm", true, SHARE_VIRTIOFS },
	{ "", "tcg", false, SHARE_9P },
	{ "", "tcg", true, SHARE_VIRTIOFS },
	{ SHARE_VIRTIOFS, "kvm", false, SHARE_VIRTIOFS },
	{ SHARE_VIRTIOFS, "tcg", false, NULL },
	{ SHARE_VIRTIOFS, "tcg", true, SHARE_VIRTIOFS },
	{ SHARE_9P, "kvm", true, SHARE_9P },
	{ SHARE_9P, "tcg", true, SHARE_9P },
	{ SHARE_NONE, "kvm", true, SHARE_NONE },
	{ SHARE_NONE, "tcg", false, SHARE_NONE },
};

START_TEST(the_share_fits_accelerator_and_guest_kernel)
{
	const struct choice *t = &choices[_i];
	struct runtime_config c = { .file = (char *)"/etc/c.toml", .kernel = kernel };
	struct share_choice choice = { 0 };
	AUTO(str) char *asked = str_fmt("%s", t->asked);
	struct err err = ERR_INIT;
	int result;

	c.shared_fs = asked;
	kernel_lab_write(kernel, (struct note[]){ xen, t->stores ? ours : other, end }, 0);
	result = share_choose(&c, t->accelerator, &choice, &err);
	if (t->fs) {
		ck_assert_msg(result == 0, "%s", err.msg);
		ck_assert_str_eq(choice.fs, t->fs);
		ck_assert(!str_empty(choice.why));
	} else {
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(err.code, E_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.msg, kernel));
		ck_assert_ptr_nonnull(strstr(err.msg, SHARE_9P));
	}
}
END_TEST

/* --- virtiofsd --- */

/* The parts that matter, as the programs print them. */
static const char help_c[] = "usage: virtiofsd [options]\n\n"
			     "    -f                         foreground operation\n"
			     "    -o cache=<mode>            cache mode. could be one of \"auto, "
			     "always, none\"\n"
			     "                               default: auto\n"
			     "    -o flock|no_flock          enable/disable flock, never metadata\n"
			     "    -o source=PATH             shared directory tree\n";
static const char help_rust[] = "Usage: virtiofsd --shared-dir <SHARED_DIR> [OPTIONS]\n\n"
				"Options:\n      --shared-dir <SHARED_DIR>\n"
				"          Shared directory path\n\n"
				"      --cache <CACHE>\n"
				"          The caching policy the file system should use (auto, "
				"always, never, metadata)\n          \n"
				"          [default: auto]\n\n"
				"      --allow-mmap\n          none of it\n\n"
				"  -o <COMPAT_OPTIONS>\n"
				"          Options of the legacy implementation\n";

static const struct {
	const char *help, *asked;
	int kind; /* -1: refused */
	const char *mode;
} daemons[] = {
	{ help_c, "auto", VIRTIOFSD_C, "auto" },
	{ help_c, "always", VIRTIOFSD_C, "always" },
	{ help_c, "none", VIRTIOFSD_C, "none" },
	{ help_c, "never", VIRTIOFSD_C, "none" },
	{ help_c, "metadata", -1, NULL },
	{ help_rust, "auto", VIRTIOFSD_RUST, "auto" },
	{ help_rust, "always", VIRTIOFSD_RUST, "always" },
	{ help_rust, "none", VIRTIOFSD_RUST, "never" },
	{ help_rust, "never", VIRTIOFSD_RUST, "never" },
	{ help_rust, "metadata", VIRTIOFSD_RUST, "metadata" },
	{ "", "auto", -1, NULL },
	{ "Usage: cat [OPTION]... [FILE]...\n", "auto", -1, NULL },
};

START_TEST(the_kind_of_virtiofsd_is_read_from_its_help)
{
	enum virtiofsd_kind kind = VIRTIOFSD_C;
	const char *mode = NULL;
	struct err err = ERR_INIT;
	int result = virtiofsd_recognize("/bin/daemon", daemons[_i].help, daemons[_i].asked, &kind,
					 &mode, &err);

	ck_assert_int_eq(result, daemons[_i].kind < 0 ? -1 : 0);
	if (result < 0) {
		ck_assert_int_eq(err.code, E_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.msg, "/bin/daemon"));
		return;
	}
	ck_assert_int_eq((int)kind, daemons[_i].kind);
	ck_assert_str_eq(mode, daemons[_i].mode);
}
END_TEST

/* A script that counts its runs. */
static void write_daemon(const char *path, const char *word)
{
	struct err err = ERR_INIT;
	AUTO(str)
	char *script = str_fmt("#!/bin/sh\necho asked >>%s.log\necho %s\n", path, word);

	ck_assert_int_eq(file_replace(AT_FDCWD, path, script, strlen(script), 0755, &err), 0);
}

static size_t times_asked(const char *path)
{
	AUTO(str) char *log = str_fmt("%s.log", path);
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err err = ERR_INIT;

	ck_assert_int_eq(file_read(AT_FDCWD, log, 4096, &text, &err), 0);
	return text.len / strlen("asked\n");
}

static void expect_help(const char *program, const char *notes, const char *text, size_t asked)
{
	AUTO(buf) struct buf help = BUF_INIT(4096);

	virtiofsd_help(program, notes, &help);
	ck_assert_str_eq(buf_cstr(&help), text);
	ck_assert_uint_eq(times_asked(program), asked);
}

START_TEST(a_daemon_is_asked_for_its_help_once)
{
	AUTO(str) char *program = str_fmt("%s/virtiofsd", dir);
	AUTO(str) char *notes = str_fmt("%s/notes", dir);
	AUTO(buf) struct buf help = BUF_INIT(4096);

	write_daemon(program, "one");
	expect_help(program, notes, "one\n", 1);
	expect_help(program, notes, "one\n", 1);
	/* Replaced by one of the same size. */
	write_daemon(program, "two");
	expect_help(program, notes, "two\n", 2);
	expect_help(program, notes, "two\n", 2);
	/* A missing program has no help, not that of an earlier one. */
	ck_assert_int_eq(unlink(program), 0);
	virtiofsd_help(program, notes, &help);
	ck_assert_uint_eq(help.len, 0);
}
END_TEST

static unsigned count(char *const *argv, const char *start)
{
	unsigned n = 0;

	strv_each(a, argv)
		n += str_starts(*a, start);
	return n;
}

START_TEST(each_daemon_has_its_options)
{
	static char mine[] = "--rlimit-nofile=20000";
	char *extra[] = { mine, NULL };
	AUTO(strv)
	char **c = virtiofsd_command("/bin/c", VIRTIOFSD_C, "none", "/the/dir", NULL);
	AUTO(strv)
	char **rust = virtiofsd_command("/bin/r", VIRTIOFSD_RUST, "never", "/the/dir", extra);

	ck_assert_uint_eq(count(c, "source=/the/dir"), 1);
	ck_assert_uint_eq(count(c, "cache=none"), 1);
	ck_assert_uint_eq(count(c, "--rlimit-nofile="), 1);
	ck_assert_uint_eq(count(rust, "--shared-dir=/the/dir"), 1);
	ck_assert_uint_eq(count(rust, "--cache=never"), 1);
	ck_assert_uint_eq(count(rust, "-o"), 0);
	/* A configured option is not repeated, which the one in Rust would refuse. */
	ck_assert_uint_eq(count(rust, "--rlimit-nofile="), 1);
	ck_assert_uint_eq(count(rust, mine), 1);
}
END_TEST

/* As many as this host allows, and at least as many as this process. */
START_TEST(a_daemon_may_open_many_files)
{
	AUTO(strv) char **c = virtiofsd_command("/bin/c", VIRTIOFSD_C, "auto", "/the/dir", NULL);
	unsigned long given = 0;
	struct rlimit own;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &own), 0);

	strv_each(a, c) {
		if (str_starts(*a, "--rlimit-nofile="))
			given = strtoul(*a + strlen("--rlimit-nofile="), NULL, 10);
	}
	ck_assert_uint_ge(given, own.rlim_max);
}
END_TEST

/* --- the share's mounts --- */

static char *disk; /* a file system, while a test is in a mount namespace of its own */

/* Returns a directory there, where a share can be. */
static char *begin_mounts(void)
{
	char *top;

	disk = path_join(dir, "disk");
	top = path_join(disk, "top");
	ck_assert(unshare(CLONE_NEWNS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mkdir(disk, 0755) == 0);
	ck_assert(mount("tmpfs", disk, "tmpfs", 0, NULL) == 0);
	ck_assert(mkdir(top, 0755) == 0);
	return top;
}

static void end_mounts(void)
{
	ck_assert(umount2(disk, MNT_DETACH) == 0);
	free(disk);
}

struct look {
	int ns;
	struct mount_list *list;
};

/* In the namespace there may be no /proc. */
static int look(void *arg, struct err *err)
{
	AUTO(fd) int self = open("/proc/thread-self", O_PATH | O_CLOEXEC);
	AUTO(buf) struct buf text = BUF_INIT(MOUNT_LIST_MAX);
	const struct look *l = arg;

	if (unshare(CLONE_FS) < 0 || setns(l->ns, CLONE_NEWNS) < 0)
		return err_sys(err, "enter the share's namespace");
	if (file_read(self, "mountinfo", MOUNT_LIST_MAX, &text, err) < 0)
		return -1;
	return mount_list_parse(text.data, text.len, l->list, err);
}

/* The mounts in the share's namespace; the caller releases the list. */
static struct mount_list mounts_of(const struct share *s)
{
	struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_msg(thread_call(look, &(struct look){ s->mountns.ns, &list }, &err) == 0, "%s",
		      err.msg);
	return list;
}

/* What is shared is mounted nowhere on the host, so nothing there becomes busy by it. */
START_TEST(a_share_does_not_keep_mount_points_of_the_host)
{
	const struct share_how how = { .recursive = true };
	const struct runtime_config config = { .shared_fs = (char *)"virtio-fs" };
	AUTO(str) char *top = begin_mounts();
	AUTO(str) char *source = path_join(dir, "source"), *below = path_join(source, "below");
	AUTO(str) char *moved = path_join(source, "moved");
	AUTO(mount_list) struct mount_list before = { NULL, 0 }, after = { NULL, 0 };
	struct err err = ERR_INIT;
	struct shared out;
	struct share s;

	ck_assert_int_eq(path_make(below, 0755, &err), 0);
	ck_assert(mount("tmpfs", below, "tmpfs", 0, NULL) == 0);
	share_init(&s, top, &config);
	ck_assert_int_eq(mount_list_read(&before, &err), 0);
	ck_assert_msg(share_open(&s, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_add(&s, "c", source, &how, &out, &err) == 0, "%s", err.msg);
	free(out.guest);
	ck_assert_int_eq(mount_list_read(&after, &err), 0);
	ck_assert_uint_eq(after.n, before.n);
	AUTO(mount_list) struct mount_list shared = mounts_of(&s);
	ck_assert_str_eq(path_basename(shared.v[shared.n - 1].target), "below");
	ck_assert(umount2(below, MNT_DETACH) == 0);
	ck_assert(rename(below, moved) == 0);
	ck_assert(rmdir(moved) == 0);
	ck_assert_msg(share_remove(&s, "c", &err) == 0, "%s", err.msg);
	share_release(&s);
	end_mounts();
}
END_TEST

/* What the host mounts and unmounts later does not concern the namespace; the share still works. */
START_TEST(a_narrow_share_has_nothing_else_of_the_host)
{
	const struct share_how how = { .recursive = true };
	const struct runtime_config config = { .shared_fs = (char *)"virtio-fs" };
	AUTO(str) char *top = begin_mounts(), *guest = NULL;
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;
	struct shared out;
	struct share s;

	share_init(&s, top, &config);
	ck_assert_msg(share_open(&s, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_rootfs(&s, "c", "/usr", &guest, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_narrow(&s, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_add(&s, "c", "/etc", &how, &out, &err) == 0, "%s", err.msg);
	free(out.guest);
	list = mounts_of(&s);
	ck_assert_uint_eq(list.n, 4);
	ck_assert_str_eq(list.v[0].target, "/");
	ck_assert_str_eq(list.v[1].target, "/top");
	ck_assert_str_eq(list.v[2].target, "/top/c/rootfs");
	ck_assert(str_starts(list.v[3].target, "/top/mount-"));
	ck_assert_msg(share_remove(&s, "c", &err) == 0, "%s", err.msg);
	mount_list_release(&list);
	list = mounts_of(&s);
	ck_assert_uint_eq(list.n, 2);
	share_release(&s);
	end_mounts();
}
END_TEST

/* The directory of a volume cannot be removed, since the file system is read-only now. */
START_TEST(a_volume_that_stays_does_not_keep_the_rootfs)
{
	const struct share_how how = { .recursive = false };
	const struct runtime_config none = { .shared_fs = (char *)"virtio-fs" };
	AUTO(str) char *top = begin_mounts(), *rootfs = path_join(top, "c/rootfs"), *guest = NULL;
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;
	struct shared out;
	struct share s;

	share_init(&s, top, &none);
	ck_assert_msg(share_open(&s, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_rootfs(&s, "c", "/usr", &guest, &err) == 0, "%s", err.msg);
	ck_assert_msg(share_add(&s, "c", "/etc", &how, &out, &err) == 0, "%s", err.msg);
	free(out.guest);
	ck_assert(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	ck_assert_int_lt(share_remove(&s, "c", &err), 0);
	ck_assert_msg(strstr(err.msg, "mount-") != NULL, "%s", err.msg);
	err_clear(&err);
	list = mounts_of(&s);
	for (size_t i = 0; i < list.n; i++)
		ck_assert_str_ne(list.v[i].target, rootfs);
	share_release(&s);
	end_mounts();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("share");
	TCase *t = tcase_create("share");

	tcase_add_checked_fixture(t, make_dir, remove_dir);
	tcase_add_test(t, a_note_in_the_kernel_is_found);
	tcase_add_test(t, a_truncated_kernel_has_no_note);
	tcase_add_test(t, wrong_lengths_in_a_note_are_refused);
	tcase_add_test(t, a_file_that_is_no_elf_file_has_no_note);
	tcase_add_loop_test(t, the_share_fits_accelerator_and_guest_kernel, 0,
			    (int)ARRAY_LEN(choices));
	tcase_add_loop_test(t, the_kind_of_virtiofsd_is_read_from_its_help, 0,
			    (int)ARRAY_LEN(daemons));
	tcase_add_test(t, a_daemon_is_asked_for_its_help_once);
	tcase_add_test(t, each_daemon_has_its_options);
	tcase_add_test(t, a_daemon_may_open_many_files);
	if (geteuid() == 0) {
		tcase_add_test(t, a_share_does_not_keep_mount_points_of_the_host);
		tcase_add_test(t, a_narrow_share_has_nothing_else_of_the_host);
		tcase_add_test(t, a_volume_that_stays_does_not_keep_the_rootfs);
	} else {
		(void)puts("skipped: mounts need root");
	}
	suite_add_tcase(s, t);
	return suite_run(s);
}
