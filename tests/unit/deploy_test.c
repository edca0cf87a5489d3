// SPDX-License-Identifier: Apache-2.0
/* deploy/: the verbs on a prefix in a temporary directory: what is refused, kept, parked, undone.
 */

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/engine/engine.h"
#include "tests/crash/release.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/deploy-test.XXXXXX";
static char *prefix, *lock;

static char *at(const char *path)
{
	return path_join(dir, path);
}

static void set_up(void)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	prefix = at("kata");
	lock = at("lock");
	(void)umask(022);
	log_set_level(LOG_FATAL);
}

static void tear_down(void)
{
	struct err err = ERR_INIT;

	ck_assert_msg(path_remove_tree(dir, &err) == 0, "%s", err.msg);
	free(prefix);
	free(lock);
}

#define OK(call)                                           \
	do {                                               \
		struct err err = ERR_INIT;                 \
		ck_assert_msg((call) >= 0, "%s", err.msg); \
	} while (0)

#define FAILS(call, expected)                                         \
	do {                                                          \
		struct err err = ERR_INIT;                            \
		ck_assert_int_lt((call), 0);                          \
		ck_assert_msg(err.code == (expected), "%s", err.msg); \
	} while (0)

static int open_as(enum deploy_access access, const struct deploy_step_ops *const *kinds,
		   struct deploy **d, struct err *err)
{
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .kinds = kinds };

	return deploy_open(&o, access, d, err);
}

static int lay_down(struct deploy *d, const char *version, const struct deploy_change *c,
		    struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(fd) int fd = deploy_stage(d, version, err);

	release_make(version, &l, err);
	if (fd < 0 || release_unpack(version, fd, err) < 0)
		return -1;
	return deploy_lay_down(d, &l, version, c, err);
}

static void install(const char *version)
{
	AUTO(deploy) struct deploy *d = NULL;

	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(lay_down(d, version, NULL, &err));
}

static void write_text(const char *path, const char *text)
{
	AUTO(str) char *full = at(path);

	OK(file_replace_volatile(AT_FDCWD, full, text, strlen(text), 0644, &err));
}

static bool has_text(const char *path, const char *text)
{
	AUTO(buf) struct buf b = BUF_INIT(4096);
	AUTO(str) char *full = at(path);
	struct err err = ERR_INIT;

	return file_read(AT_FDCWD, full, 4096, &b, &err) == 0 && str_eq(buf_cstr(&b), text);
}

static bool there(const char *path)
{
	AUTO(str) char *full = at(path);

	return path_exists(full);
}

START_TEST(a_release_is_laid_down)
{
	struct stat object, name;

	install("1");
	ck_assert(has_text("kata/bin/containerd-shim-kata-v2", "shim 1"));
	ck_assert(has_text("kata/bin/kata", "runtime"));
	ck_assert(has_text("kata/share/kata-containers/vmlinux", "kernel 1"));
	ck_assert(has_text("kata/etc/configuration.toml", "# made for 1\n"));
	ck_assert(!there("kata/staging") && !there("kata/state/journal") && !there("kata/lib"));
	AUTO(str) char *one = at("kata/bin/kata-runtime");
	AUTO(str) char *two = at("kata/share/kata-containers/copy");
	ck_assert(stat(one, &object) == 0 && (object.st_mode & 07777) == 0555);
	ck_assert(stat(two, &name) == 0 && (name.st_mode & 07777) == 0444);
	ck_assert_int_eq(object.st_nlink, 2);
	AUTO(deploy) struct deploy *d = NULL;
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
	ck_assert_ptr_nonnull(deploy_installed(d)->current);
	ck_assert_ptr_null(deploy_installed(d)->previous);
}
END_TEST

START_TEST(nothing_to_do_is_an_empty_plan)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT, gc = PLAN_INIT;
	struct err none = ERR_INIT;

	install("1");
	release_make("1", &l, &none);
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	OK(deploy_plan_lay_down(d, &l, NULL, &p, &err));
	OK(deploy_plan_gc(d, NULL, &gc, &err));
	ck_assert(plan_is_empty(&p) && plan_is_empty(&gc));
	ck_assert(deploy_has(d, layout_find(&l, "bin/kata-runtime")));
}
END_TEST

START_TEST(a_plan_changes_nothing)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	struct err none = ERR_INIT;

	release_make("1", &l, &none);
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	OK(deploy_plan_lay_down(d, &l, NULL, &p, &err));
	ck_assert(!plan_is_empty(&p));
	ck_assert(!there("kata") && !there("lock"));
}
END_TEST

START_TEST(one_writer_at_a_time)
{
	AUTO(deploy) struct deploy *one = NULL, *other = NULL;
	struct err err2 = ERR_INIT;
	AUTO(str) char *pid = str_fmt("process %d ", (int)getpid());

	OK(open_as(DEPLOY_CHANGE, NULL, &one, &err));
	ck_assert_int_lt(open_as(DEPLOY_CHANGE, NULL, &other, &err2), 0);
	ck_assert_int_eq(err2.code, E_STATE);
	ck_assert_ptr_nonnull(strstr(err2.msg, pid));
	OK(open_as(DEPLOY_LOOK, NULL, &other, &err));
}
END_TEST

START_TEST(what_is_not_ours_is_in_the_way)
{
	static const char *const names[] = { "kata/bin", "kata/current", "kata/share" };
	AUTO(str) char *full = at(names[_i]);
	AUTO(deploy) struct deploy *d = NULL;

	ck_assert_int_eq(mkdir(prefix, 0755), 0);
	if (_i == 2)
		ck_assert_int_eq(symlink("/usr/share", full), 0);
	else
		ck_assert_int_eq(mkdir(full, 0755), 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	FAILS(lay_down(d, "1", NULL, &err), E_EXISTS);
	deploy_close(STEAL(d, NULL));
	ck_assert(there(names[_i]) && !there("kata/state") && !there("kata/store"));
}
END_TEST

/* Nothing that is staged is believed. */
START_TEST(staged_files_are_held_to_the_release)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	struct err none = ERR_INIT;
	static const char path[] = "bin/kata-runtime";

	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	release_make("1", &l, &none);
	AUTO(fd) int fd = deploy_stage(d, "s", &none);
	ck_assert_int_eq(release_unpack("1", fd, &none), 0);
	if (_i == 0)
		write_text("kata/staging/s/bin/kata-runtime", "Runtime");
	else if (_i == 1)
		ck_assert(unlinkat(fd, path, 0) == 0 && symlinkat("/etc/passwd", fd, path) == 0);
	else if (_i == 2)
		ck_assert_int_eq(linkat(fd, path, fd, "second", 0), 0);
	else if (_i == 3)
		ck_assert(renameat(fd, "bin", fd, "x") == 0 && symlinkat("x", fd, "bin") == 0);
	else if (_i == 4)
		ck_assert(unlinkat(fd, path, 0) == 0 && mkfifoat(fd, path, 0600) == 0);
	else
		ck_assert_int_eq(unlinkat(fd, path, 0), 0);
	struct err err = ERR_INIT;
	ck_assert_int_lt(deploy_lay_down(d, &l, "s", NULL, &err), 0);
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata"));
}
END_TEST

START_TEST(edits_survive_everything)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	write_text("kata/etc/configuration.toml", "mine");
	write_text("kata/etc/config.d/20-old.toml", "mine too");
	install("2");
	ck_assert(has_text("kata/etc/configuration.toml", "mine"));
	ck_assert(has_text("kata/etc/configuration.toml.new", "# made for 2\n"));
	ck_assert(has_text("kata/etc/config.d/20-old.toml", "mine too"));
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_rollback(d, NULL, NULL, &err));
	ck_assert(has_text("kata/etc/configuration.toml.new", "# made for 1\n"));
	ck_assert(has_text("kata/bin/containerd-shim-kata-v2", "shim 1"));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(has_text("kata/etc/configuration.toml", "mine"));
	ck_assert(has_text("kata/etc/config.d/20-old.toml", "mine too"));
	ck_assert(!there("kata/etc/configuration.toml.new") &&
		  !there("kata/etc/config.d/10-base.toml"));
	ck_assert(!there("kata/store") && !there("kata/state") && !there("kata/bin"));
}
END_TEST

START_TEST(the_prefix_goes_if_it_was_ours)
{
	AUTO(deploy) struct deploy *d = NULL;

	if (_i)
		ck_assert_int_eq(mkdir(prefix, 0700), 0);
	install("1");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_uninstall(d, NULL, &err));
	OK(deploy_uninstall(d, NULL, &err));
	/* And a new life in the same handle. */
	OK(lay_down(d, "2", NULL, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert_int_eq(there("kata"), _i);
}
END_TEST

START_TEST(gc_keeps_what_is_in_use)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(strv) char **in_use = NULL;
	AUTO(layout) struct layout one = LAYOUT_INIT;
	struct err none = ERR_INIT;

	release_make("1", &one, &none);
	strv_push(&in_use, one.id);
	install("1");
	install("2");
	install("3");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	AUTO(str) char *tree = str_fmt("kata/generations/%s", one.id);
	OK(deploy_gc(d, in_use, &err));
	ck_assert(there(tree));
	OK(deploy_gc(d, NULL, &err));
	ck_assert(!there(tree));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, 2);
	FAILS(deploy_rollback(d, one.id, NULL, &err), E_NOT_FOUND);
	OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
}
END_TEST

START_TEST(rollback_needs_somewhere_to_go)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	FAILS(deploy_rollback(d, NULL, NULL, &err), E_NOT_FOUND);
	FAILS(deploy_rollback(d, "../../etc", NULL, &err), E_NOT_FOUND);
}
END_TEST

static void collect(void *arg, const char *path, const char *what)
{
	(void)what;
	strv_push(arg, path);
}

START_TEST(damage_is_found_and_repaired)
{
	static const char shim[] = "kata/bin/containerd-shim-kata-v2";
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(strv) char **found = NULL;
	AUTO(str) char *full = at(shim), *link = at("kata/bin/kata"), *stable = at("kata/share");
	struct err err1 = ERR_INIT;

	install("1");
	/* As root writes: into the object itself. */
	AUTO(fd) int fd = open(full, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "SHIM", 4, 0), 4);
	ck_assert(unlink(link) == 0 && unlink(stable) == 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, collect, &found, &err1), 3);
	ck_assert(strv_has(found, "share"));
	/* A damaged store is not built upon: both have this object. */
	FAILS(deploy_repair(d, NULL, &err), E_STATE);
	AUTO(fd) int stage = deploy_stage(d, "again", &err1);
	ck_assert_int_eq(release_unpack("1", stage, &err1), 0);
	OK(deploy_repair(d, "again", &err));
	ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err1), 0);
	ck_assert(has_text(shim, "shim 1"));
}
END_TEST

/* --- steps and foreign files --- */

static int refuse(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)record;
	/* What an administrator does just then. */
	if (step->arg)
		write_text("manager/edited.toml", "the administrator's");
	return err_set(err, E_FAILED, "it does not come back");
}

static int forget(void *context, const struct json *record, struct err *err)
{
	(void)context;
	(void)record;
	(void)err;
	return 0;
}

static const struct deploy_step_ops restart = { "restart", NULL, refuse, forget };
static const struct deploy_step_ops *const kinds[] = { &restart, NULL };

START_TEST(a_step_that_fails_undoes_everything)
{
	AUTO(str)
	char *dropin = at("manager/conf.d/kata.toml"), *edited = at("manager/edited.toml");
	AUTO(str) char *config = at("manager/config.toml");
	struct deploy_file files[] = {
		{ dropin, "new", 3, 0600, false },
		{ edited, "ours", 4, 0, false },
		{ config, "changed", 7, 0, false },
	};
	struct deploy_step step = { .ops = &restart,
				    .name = "restart the manager",
				    .arg = &restart };
	struct deploy_change c = { .files = files, .nfiles = 3, .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *manager = at("manager");
	struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct stat st;

	ck_assert_int_eq(mkdir(manager, 0755), 0);
	write_text("manager/edited.toml", "before");
	write_text("manager/config.toml", "before");
	ck_assert(chmod(config, 0640) == 0 && chown(config, 7, 8) == 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, config, times, 0), 0);
	OK(open_as(DEPLOY_CHANGE, kinds, &d, &err));
	FAILS(lay_down(d, "1", &c, &err), E_FAILED);
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata") && !there("manager/conf.d"));
	ck_assert(has_text("manager/config.toml", "before"));
	ck_assert(stat(config, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_uid == 7 &&
		  st.st_gid == 8 && st.st_mtim.tv_sec == 2000);
	ck_assert(has_text("manager/edited.toml", "the administrator's"));
}
END_TEST

static char *seen_by_undo; /* what the file said when the step before it was undone */

static int pass(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step;
	(void)record;
	(void)err;
	return 0;
}

static int look_back(void *context, const struct json *record, struct err *err)
{
	AUTO(str) char *config = at("config.toml");

	(void)context;
	(void)record;
	free(seen_by_undo);
	seen_by_undo = file_read_line(AT_FDCWD, config, err);
	return seen_by_undo ? 0 : -1;
}

static const struct deploy_step_ops watch = { "watch", NULL, pass, look_back };
static const struct deploy_step_ops *const watched[] = { &watch, &restart, NULL };

/* Undone backwards: a step before the files finds them as they were. */
START_TEST(steps_around_files)
{
	AUTO(str) char *config = at("config.toml");
	struct deploy_file file = { config, "changed", 7, 0, false };
	struct deploy_step steps[] = {
		{ .ops = &restart, .name = "restart" },
		{ .ops = &watch, .name = "watch", .before_files = _i == 1 }
	};
	struct deploy_change c = { .files = &file, .nfiles = 1, .steps = steps, .nsteps = 2 };
	AUTO(deploy) struct deploy *d = NULL;

	write_text("config.toml", "before");
	OK(open_as(DEPLOY_CHANGE, watched, &d, &err));
	FAILS(lay_down(d, "1", &c, &err), E_FAILED);
	ck_assert_str_eq(seen_by_undo, _i == 1 ? "before" : "changed");
	ck_assert(has_text("config.toml", "before"));
	free(seen_by_undo);
	seen_by_undo = NULL;
}
END_TEST

START_TEST(foreign_directories_go_if_empty)
{
	AUTO(str) char *dropin = at("manager/conf.d/kata.toml");
	struct deploy_file file = { dropin, "new", 3, 0600, false }, gone = { .path = dropin };
	struct deploy_change c = { .files = &file, .nfiles = 1 },
			     away = { .files = &gone, .nfiles = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(lay_down(d, "1", &c, &err));
	ck_assert(has_text("manager/conf.d/kata.toml", "new"));
	if (_i)
		write_text("manager/conf.d/other.toml", "somebody else's");
	OK(deploy_uninstall(d, &away, &err));
	ck_assert_int_eq(there("manager"), _i);
	ck_assert(!there("manager/conf.d/kata.toml"));
}
END_TEST

/* --- file systems --- */

/* A tmpfs that goes with this test's process. */
static bool own_file_system(const char *options)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", dir, "tmpfs", 0, options) == 0)
		return true;
	(void)printf("skipped: a file system of one's own: %s\n", strerror(errno));
	return false;
}

START_TEST(a_full_file_system_is_seen_before)
{
	AUTO(deploy) struct deploy *d = NULL;

	if (!own_file_system(_i ? "nr_inodes=30" : "size=600k"))
		return;
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	FAILS(lay_down(d, "1", NULL, &err), E_LIMIT);
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata"));
	ck_assert_int_eq(umount(dir), 0);
}
END_TEST

START_TEST(a_read_only_file_system_is_seen_before)
{
	AUTO(str) char *elsewhere = str_fmt("%s.lock", dir);
	struct deploy_options o = { .prefix = prefix, .lock = elsewhere, .now = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	if (!own_file_system("size=16m"))
		return;
	install("1");
	install("2");
	ck_assert_int_eq(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	FAILS(deploy_rollback(d, NULL, NULL, &err), E_PERMISSION);
	deploy_close(STEAL(d, NULL));
	ck_assert(has_text("kata/bin/containerd-shim-kata-v2", "shim 2"));
	ck_assert_int_eq(umount(dir), 0);
	ck_assert_int_eq(unlink(elsewhere), 0);
}
END_TEST

/* --- state files that we did not write --- */

START_TEST(a_journal_that_is_not_ours_stops_everything)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	write_text("kata/state/journal", "0123456789abcdef {}\n");
	FAILS(open_as(DEPLOY_CHANGE, NULL, &d, &err), E_INVALID);
	ck_assert(there("kata/state/journal"));
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	ck_assert(deploy_is_interrupted(d));
}
END_TEST

/* It is part of the change, but not of what an uninstall takes away; its directory is private. */
START_TEST(a_file_may_outlive_the_installation)
{
	AUTO(str) char *kept = at("var/lib/memory/file");
	struct deploy_file file = { kept, "kept", 4, 0600, true },
			   gone = { .path = kept, .outlives = true };
	struct deploy_change c = { .files = &file, .nfiles = 1 },
			     last = { .files = &gone, .nfiles = 1 };
	struct stat st;

	AUTO(deploy) struct deploy *d = NULL;
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(lay_down(d, "1", &c, &err));
	ck_assert(has_text("var/lib/memory/file", "kept"));
	AUTO(str) char *own = at("var/lib/memory");
	ck_assert_int_eq(stat(own, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	OK(deploy_uninstall(d, _i ? &last : NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata"));
	ck_assert_int_eq(there("var/lib/memory/file"), !_i);
	ck_assert_int_eq(there("var"), !_i);
}
END_TEST

START_TEST(a_newer_install_json_is_left_alone)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	write_text("kata/state/install.json", "{\"schema\": 99}");
	FAILS(open_as(DEPLOY_CHANGE, NULL, &d, &err), E_UNSUPPORTED);
	ck_assert(has_text("kata/state/install.json", "{\"schema\": 99}"));
}
END_TEST

START_TEST(staging_of_a_dead_process_goes)
{
	AUTO(str) char *staging = at("kata/staging"), *kept = at("kata/state/kept");
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	ck_assert(mkdir(staging, 0700) == 0 && mkdir(kept, 0700) == 0);
	write_text("kata/staging/blob", "half of it");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert(!there("kata/staging") && !there("kata/state/kept"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deploy");
	TCase *tc = tcase_create("deploy");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_release_is_laid_down);
	tcase_add_test(tc, nothing_to_do_is_an_empty_plan);
	tcase_add_test(tc, a_plan_changes_nothing);
	tcase_add_test(tc, one_writer_at_a_time);
	tcase_add_loop_test(tc, what_is_not_ours_is_in_the_way, 0, 3);
	tcase_add_loop_test(tc, staged_files_are_held_to_the_release, 0, 6);
	tcase_add_test(tc, edits_survive_everything);
	tcase_add_loop_test(tc, the_prefix_goes_if_it_was_ours, 0, 2);
	tcase_add_test(tc, gc_keeps_what_is_in_use);
	tcase_add_test(tc, rollback_needs_somewhere_to_go);
	tcase_add_test(tc, damage_is_found_and_repaired);
	tcase_add_test(tc, a_step_that_fails_undoes_everything);
	tcase_add_loop_test(tc, steps_around_files, 0, 2);
	tcase_add_loop_test(tc, foreign_directories_go_if_empty, 0, 2);
	tcase_add_loop_test(tc, a_full_file_system_is_seen_before, 0, 2);
	tcase_add_test(tc, a_read_only_file_system_is_seen_before);
	tcase_add_test(tc, a_journal_that_is_not_ours_stops_everything);
	tcase_add_loop_test(tc, a_file_may_outlive_the_installation, 0, 2);
	tcase_add_test(tc, a_newer_install_json_is_left_alone);
	tcase_add_test(tc, staging_of_a_dead_process_goes);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
