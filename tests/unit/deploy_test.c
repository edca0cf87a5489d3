// SPDX-License-Identifier: Apache-2.0
/* deploy/engine: the verbs on a prefix in a temporary directory. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/engine/engine.h"
#include "deploy/store/store.h"
#include "tests/crash/release.h"

#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *prefix, *lock;

static char *at(const char *path)
{
	return path_join(dir, path);
}

static void set_up(void)
{
	scratch_make(dir, "deploy");
	prefix = at("kata");
	lock = at("lock");
	(void)umask(022);
	log_set_level(LOG_FATAL);
}

static void tear_down(void)
{
	scratch_remove(dir);
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

static void make_dir(const char *path)
{
	AUTO(str) char *full = at(path);

	OK(path_make(full, 0755, &err));
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

/* Lets renameat2() with flags fail, as file systems do that have no such rename. */
static void refuse_rename_flags(int cause)
{
	const uint32_t flags = offsetof(struct seccomp_data, args[4]) +
			       (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)cause),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog all = { .len = ARRAY_LEN(code), .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all), 0);
}

static const int rename_causes[] = { EINVAL, ENOSYS, EOPNOTSUPP };

/* ZFS before 2.2, NFS and some file systems of FUSE. */
START_TEST(a_file_system_may_have_no_rename_with_flags)
{
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	refuse_rename_flags(rename_causes[_i]);
	install("1");
	ck_assert(has_text("kata/bin/containerd-shim-kata-v2", "shim 1"));
	/* Nor does it replace a file then. */
	write_text("one", "one");
	write_text("two", "two");
	ck_assert_int_eq(path_rename_new(fd, "one", fd, "two"), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert(has_text("one", "one") && has_text("two", "two"));
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
	AUTO(str)
	char *who = str_fmt("process %d, which works on %s,", (int)getpid(), prefix);

	OK(open_as(_i ? DEPLOY_HOLD : DEPLOY_CHANGE, NULL, &one, &err));
	ck_assert_int_lt(open_as(DEPLOY_CHANGE, NULL, &other, &err2), 0);
	ck_assert_int_eq(err2.code, E_STATE);
	ck_assert_msg(strstr(err2.msg, who) != NULL, "%s", err2.msg);
	FAILS(open_as(DEPLOY_HOLD, NULL, &other, &err), E_STATE);
	OK(open_as(DEPLOY_LOOK, NULL, &other, &err));
}
END_TEST

/* As earlier versions wrote it. */
START_TEST(a_holder_may_have_no_prefix)
{
	AUTO(fd) int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	AUTO(deploy) struct deploy *d = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(write(fd, "4711\n", 5), 5);
	ck_assert_int_lt(open_as(DEPLOY_CHANGE, NULL, &d, &err), 0);
	ck_assert_msg(strstr(err.msg, "process 4711 has locked") != NULL, "%s", err.msg);
}
END_TEST

/* Where every user may make files, nobody but root can keep root out. */
START_TEST(a_lock_of_another_user_is_not_ours)
{
	static const char *const inside[] = { NULL, NULL, "file" };
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *in = NULL;
	AUTO(fd) int fd = -1;

	if (geteuid() != 0)
		return;
	if (_i == 0)
		fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	else if (mkdir(lock, 0755) == 0)
		fd = open(lock, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(fchown(fd, 65534, 65534), 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	if (!inside[_i]) {
		OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
		return;
	}
	in = path_join(lock, inside[_i]);
	ck_assert_int_eq(mknod(in, S_IFREG | 0600, 0), 0);
	FAILS(open_as(DEPLOY_CHANGE, NULL, &d, &err), E_STATE);
}
END_TEST

/* Starts a process that holds the lock for so many milliseconds. */
static pid_t hold_lock(unsigned ms)
{
	int ends[2];
	char ready;
	pid_t pid;

	OK(fd_pipe(ends, &err));
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;
		struct deploy *d;

		if (open_as(DEPLOY_CHANGE, NULL, &d, &err) < 0 || write(ends[1], "x", 1) != 1)
			_exit(1);
		(void)usleep(ms * 1000);
		_exit(0);
	}
	ck_assert_int_eq(read(ends[0], &ready, 1), 1);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	return pid;
}

START_TEST(another_writer_is_waited_for)
{
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .lock_seconds = 60 };
	AUTO(deploy) struct deploy *d = NULL;
	struct err late = ERR_INIT;
	uint64_t began = clock_ms();
	pid_t pid = hold_lock(1500);

	o.lock_seconds = 1;
	if (deploy_open(&o, DEPLOY_CHANGE, &d, &late) < 0) {
		ck_assert_int_eq(late.code, E_STATE);
		ck_assert_uint_ge(clock_ms() - began, 1000);
		o.lock_seconds = 60;
		OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	}
	ck_assert_uint_ge(clock_ms() - began, 1500);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(who_waits_for_another_writer_can_be_interrupted)
{
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .lock_seconds = 60 };
	struct deploy *d = NULL;
	struct err err = ERR_INIT;
	pid_t pid = hold_lock(60000);

	interrupt_catch("test", "it waits");
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_lt(deploy_open(&o, DEPLOY_CHANGE, &d, &err), 0);
	ck_assert_int_eq(err.code, E_CANCELLED);
	ck_assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}
END_TEST

/* A process that waits for the lock ends at once; one that has it goes on. */
START_TEST(a_waiting_writer_can_be_told_to_end)
{
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .lock_seconds = 60 };
	AUTO(deploy) struct deploy *d = NULL;
	pid_t holder = hold_lock(60000), waiter = fork();
	struct err none = ERR_INIT;
	int status;

	if (waiter == 0)
		_exit(deploy_open(&o, DEPLOY_CHANGE, &d, &none) < 0);
	ck_assert(kill(waiter, DEPLOY_RETRACT) == 0 && waitpid(waiter, &status, 0) == waiter);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == DEPLOY_RETRACT);
	ck_assert(kill(holder, SIGKILL) == 0 && waitpid(holder, NULL, 0) == holder);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_int_eq(raise(DEPLOY_RETRACT), 0);
}
END_TEST

START_TEST(foreign_files_in_the_prefix_are_refused)
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

START_TEST(staged_files_that_differ_from_the_release_are_refused)
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

START_TEST(edited_configuration_survives_every_verb)
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
	/* The same handle can install again. */
	OK(lay_down(d, "2", NULL, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert_int_eq(there("kata"), _i);
}
END_TEST

/* --- directories above the prefix --- */

static int forget(void *context, const struct json *record, struct err *err)
{
	(void)context;
	(void)record;
	(void)err;
	return 0;
}

static int die(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step;
	(void)record;
	(void)err;
	return raise(SIGKILL);
}

static void move_prefix(const char *path)
{
	free(prefix);
	prefix = at(path);
}

static void uninstall(void)
{
	AUTO(deploy) struct deploy *d = NULL;

	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_uninstall(d, NULL, &err));
}

static mode_t mode_of(const char *path)
{
	AUTO(str) char *full = at(path);
	struct stat st;

	ck_assert_int_eq(stat(full, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(directories_above_the_prefix_go_with_it)
{
	AUTO(str) char *shared = at("srv/a");
	mode_t umasks[] = { 022, 077 };

	move_prefix("srv/a/b/kata");
	if (_i == 2)
		make_dir("srv");
	(void)umask(umasks[_i % 2]);
	install("1");
	ck_assert(mode_of("srv/a") == 0755 && mode_of("srv/a/b") == 0755);
	install("2");
	if (_i == 3) {
		write_text("srv/a/theirs", "theirs");
		ck_assert_int_eq(chmod(shared, 02775), 0);
	}
	uninstall();
	ck_assert(!there("srv/a/b"));
	ck_assert_int_eq(there("srv/a"), _i == 3);
	ck_assert_int_eq(there("srv"), _i >= 2);
	if (_i == 3)
		ck_assert(mode_of("srv/a") == 02775 && mode_of("srv") == 0755);
}
END_TEST

START_TEST(a_prefix_with_files_of_others_keeps_its_mode)
{
	install("1");
	write_text("kata/theirs", "theirs");
	ck_assert_int_eq(chmod(prefix, 02750), 0);
	uninstall();
	ck_assert(has_text("kata/theirs", "theirs") && !there("kata/state"));
	ck_assert_int_eq(mode_of("kata"), 02750);
}
END_TEST

static const struct {
	const char *extra;
	mode_t mode;
} records[] = {
	{ "{\"release\": {\"from\": [\"https://host/kata/\"]}}", 0644 },
	{ "{\"release\": {\"from\": [\"https://host/k@ta/\", \"/a@b\"]}}", 0644 },
	{ "{\"release\": {\"from\": [\"https://host/\", \"https://u:p@host/kata/\"]}}", 0600 },
	{ "{\"release\": {\"from\": [\"https://token@host/kata/\"]}}", 0600 },
};

START_TEST(a_record_with_a_password_is_only_for_root)
{
	AUTO(deploy) struct deploy *d = NULL;
	struct deploy_change c = { .extra = records[_i].extra };

	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(lay_down(d, "1", &c, &err));
	ck_assert_uint_eq(mode_of("kata/state/install.json"), records[_i].mode);
	/* Other changes keep the record's extra. */
	OK(lay_down(d, "2", NULL, &err));
	ck_assert_uint_eq(mode_of("kata/state/install.json"), records[_i].mode);
	c.extra = "{}";
	OK(lay_down(d, "3", &c, &err));
	ck_assert_uint_eq(mode_of("kata/state/install.json"), 0644);
}
END_TEST

START_TEST(directories_above_a_prefix_that_stays_stay)
{
	move_prefix("srv/a/kata");
	install("1");
	write_text("srv/a/kata/etc/configuration.toml", "mine");
	uninstall();
	ck_assert(has_text("srv/a/kata/etc/configuration.toml", "mine"));
	ck_assert(mode_of("srv") == 0755 && mode_of("srv/a") == 0755);
}
END_TEST

START_TEST(a_plan_shows_the_directories_above_the_prefix)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(str) char *above = at("srv/a");
	struct err none = ERR_INIT;

	move_prefix("srv/a/kata");
	release_make("1", &l, &none);
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	OK(deploy_plan_lay_down(d, &l, NULL, &p, &err));
	ck_assert_str_eq(p.actions.v[1].path, above);
	ck_assert(!there("srv"));
}
END_TEST

/* Below another root the record has the paths of that system. */
START_TEST(directories_above_the_prefix_are_those_of_the_root)
{
	AUTO(str) char *image = at("image"), *elsewhere = at("elsewhere");
	struct deploy_options o = { .prefix = prefix, .root = image, .lock = lock, .now = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	make_dir("image");
	move_prefix("image/srv/a/kata");
	o.prefix = prefix;
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	OK(lay_down(d, "1", NULL, &err));
	ck_assert(strv_has(deploy_installed(d)->made_dirs, "/srv/a"));
	deploy_close(STEAL(d, NULL));
	ck_assert_int_eq(rename(image, elsewhere), 0);
	move_prefix("elsewhere/srv/a/kata");
	o.prefix = prefix;
	o.root = elsewhere;
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(there("elsewhere") && !there("elsewhere/srv"));
}
END_TEST

/* 0: while the release is unpacked; 1: with a journal; 2: also one that somebody uses meanwhile. */
START_TEST(directories_above_the_prefix_of_a_killed_install_go)
{
	static const struct deploy_step_ops last = { "last", NULL, die, forget, NULL };
	static const struct deploy_step_ops *const known[] = { &last, NULL };
	struct deploy_step step = { .ops = &last, .name = "last" };
	struct deploy_change c = { .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	struct err none = ERR_INIT;
	pid_t pid;

	move_prefix("srv/a/kata");
	pid = fork();
	if (pid == 0) {
		if (open_as(DEPLOY_CHANGE, known, &d, &none) == 0 && _i)
			(void)!lay_down(d, "1", &c, &none);
		else if (d)
			(void)!deploy_stage(d, "1", &none);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(there("srv/a/kata/state"));
	if (_i == 2)
		write_text("srv/theirs", "theirs");
	OK(open_as(DEPLOY_CHANGE, known, &d, &err));
	ck_assert(!there("srv/a"));
	ck_assert_int_eq(there("srv"), _i == 2);
	if (_i == 2)
		ck_assert_int_eq(mode_of("srv"), 0755);
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

START_TEST(gc_removes_directories_of_others)
{
	static const char *const paths[] = { "kata/store/sha256/ab/junk",
					     "kata/state/generations/junk" };
	AUTO(str) char *file = str_fmt("%s/file", paths[_i]);
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	make_dir(paths[_i]);
	write_text(file, "somebody else's");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_gc(d, NULL, &err));
	ck_assert(!there(paths[_i]));
	OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
}
END_TEST

/* Writes an install.json with so many generations, all but the current one without a tree. */
static void list_generations(unsigned n)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(installed) struct installed in = INSTALLED_INIT;

	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	AUTO(str) char *text = installed_format(deploy_installed(d));
	OK(installed_parse(&in, text, strlen(text), &err));
	while (in.generations.n < n) {
		AUTO(str) char *id = str_fmt("0-%012zu", in.generations.n);
		struct generation g = { .id = id, .version = id };

		installed_add(&in, &g);
	}
	AUTO(str) char *more = installed_format(&in);
	OK(file_replace(deploy_state(d), "install.json", more, strlen(more), 0644, &err));
}

START_TEST(too_many_generations_are_refused)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	list_generations(INSTALLED_MAX);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	FAILS(lay_down(d, "2", NULL, &err), E_LIMIT);
	deploy_close(STEAL(d, NULL));
	/* One more, as older versions allowed: it must be possible to collect them. */
	list_generations(INSTALLED_MAX + 1);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_gc(d, NULL, &err));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, 1);
	OK(lay_down(d, "2", NULL, &err));
}
END_TEST

START_TEST(a_rollback_without_a_previous_generation_is_refused)
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
	/* As root can: into the object itself. */
	AUTO(fd) int fd = open(full, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "SHIM", 4, 0), 4);
	ck_assert(unlink(link) == 0 && unlink(stable) == 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, collect, &found, &err1), 3);
	ck_assert(strv_has(found, "share"));
	/* The other release has the damaged object too, and is refused. */
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
	/* An administrator edits files while the step runs. */
	if (step->arg)
		write_text("manager/edited.toml", "the administrator's");
	return err_set(err, E_FAILED, "it does not come back");
}

static const struct deploy_step_ops restart = { "restart", NULL, refuse, forget, NULL };
static const struct deploy_step_ops *const kinds[] = { &restart, NULL };

START_TEST(a_step_that_fails_undoes_everything)
{
	AUTO(str)
	char *dropin = at("manager/conf.d/kata.toml"), *edited = at("manager/edited.toml");
	AUTO(str) char *config = at("manager/config.toml");
	struct deploy_file files[] = {
		{ dropin, "new", 3, 0600, false, NULL },
		{ edited, "ours", 4, 0, false, NULL },
		{ config, "changed", 7, 0, false, NULL },
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

static const struct deploy_step_ops watch = { "watch", NULL, pass, look_back, NULL };
static const struct deploy_step_ops *const watched[] = { &watch, &restart, NULL };

/* Undone backwards: a step before the files finds them as they were. */
START_TEST(steps_around_files)
{
	AUTO(str) char *config = at("config.toml");
	struct deploy_file file = { config, "changed", 7, 0, false, NULL };
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

/* A file that its program has written again since the change was made from it. */
START_TEST(a_newer_file_is_not_overwritten)
{
	static const struct {
		const char *base, *now; /* now: NULL: there is none */
		enum err_code code;
	} cases[] = {
		{ "before", "before", E_OK },
		{ "", NULL, E_OK },
		{ "before", "newer", E_STATE },
		{ "before", NULL, E_STATE },
		{ "", "newer", E_STATE },
		/* Somebody else has made the same change. */
		{ "before", "changed", E_OK },
		{ NULL, "newer", E_OK },
	};
	AUTO(str) char *config = at("config.toml");
	struct deploy_file file = { .path = config, .data = "changed", .len = 7 };
	struct deploy_change c = { .files = &file, .nfiles = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	file.base = cases[_i].base;
	if (cases[_i].now)
		write_text("config.toml", cases[_i].now);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	if (cases[_i].code) {
		FAILS(lay_down(d, "1", &c, &err), cases[_i].code);
		ck_assert(cases[_i].now ? has_text("config.toml", cases[_i].now)
					: !there("config.toml"));
	} else {
		OK(lay_down(d, "1", &c, &err));
		ck_assert(has_text("config.toml", "changed"));
	}
}
END_TEST

START_TEST(foreign_directories_go_if_empty)
{
	AUTO(str) char *dropin = at("manager/conf.d/kata.toml");
	struct deploy_file file = { dropin, "new", 3, 0600, false, NULL },
			   gone = { .path = dropin };
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

/* --- signals --- */

static int signalled; /* which signal comes while the step waits */

static int wait_long(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step;
	(void)record;
	ck_assert_int_eq(raise(signalled), 0);
	return spawn_run(&(struct spawn){ .argv = ARGV("sleep", "1000") }, NULL, 0, NULL,
			 DEADLINE_NEVER, err);
}

/* A second signal, as from a terminal, and a program that the undo runs. */
static int undo_slowly(void *context, const struct json *record, struct err *err)
{
	AUTO(str) char *undone = at("undone");

	(void)context;
	(void)record;
	ck_assert_int_eq(raise(SIGINT), 0);
	return spawn_run(&(struct spawn){ .argv = ARGV("touch", undone) }, NULL, 0, NULL,
			 DEADLINE_NEVER, err) == 0
		       ? 0
		       : -1;
}

static const struct deploy_step_ops slow = { "slow", NULL, wait_long, undo_slowly, NULL };
static const struct deploy_step_ops *const slow_kinds[] = { &slow, NULL };

START_TEST(a_signal_undoes_a_change_that_waits)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP };
	AUTO(str) char *config = at("config.toml");
	struct deploy_file file = { config, "changed", 7, 0, false, NULL };
	struct deploy_step step = { .ops = &slow, .name = "a slow step" };
	struct deploy_change c = { .files = &file, .nfiles = 1, .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	struct err why = ERR_INIT;

	signalled = all[_i];
	write_text("config.toml", "before");
	OK(open_as(DEPLOY_CHANGE, slow_kinds, &d, &err));
	interrupt_catch("deploy_test", "one moment");
	ck_assert_int_lt(lay_down(d, "1", &c, &why), 0);
	ck_assert_int_eq(why.code, E_CANCELLED);
	ck_assert_msg(strstr(why.msg, "; undone"), "%s", why.msg);
	deploy_close(STEAL(d, NULL));
	ck_assert(has_text("config.toml", "before") && there("undone") && !there("kata"));
}
END_TEST

/* --- symlinks that an administrator made --- */

static void link_to(const char *target, const char *path)
{
	AUTO(str) char *full = at(path);

	ck_assert_int_eq(symlink(target, full), 0);
}

static bool is_link_to(const char *path, const char *target)
{
	AUTO(str) char *full = at(path);
	char is[200] = "";

	return readlink(full, is, sizeof(is) - 1) > 0 && str_eq(is, target);
}

/* A file of a container manager behind an absolute, a relative, and two symlinks. */
START_TEST(a_linked_file_is_edited_where_it_is)
{
	AUTO(str) char *config = at("manager/config.toml"), *real = at("real/config.toml");
	const char *target = _i == 1 ? "../real/config.toml" : _i == 2 ? "again" : real;
	struct deploy_file ours = { config, "changed", 7, 0, false, NULL },
			   theirs = { config, "before", 6, 0, false, NULL };
	struct deploy_change on = { .files = &ours, .nfiles = 1 },
			     off = { .files = &theirs, .nfiles = 1 };
	struct deploy_step step = { .ops = &restart, .name = "restart" };
	struct deploy_change fails = { .files = &ours, .nfiles = 1, .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	struct stat st;
	char label[8];

	make_dir("real");
	make_dir("manager");
	write_text("real/config.toml", "before");
	link_to(target, "manager/config.toml");
	if (_i == 2)
		link_to("../real/config.toml", "manager/again");
	ck_assert(chmod(real, 0640) == 0 && chown(real, 7, 8) == 0);
	bool labelled = setxattr(real, "trusted.label", "x", 1, 0) == 0;
	OK(open_as(DEPLOY_CHANGE, kinds, &d, &err));
	FAILS(lay_down(d, "1", &fails, &err), E_FAILED);
	ck_assert(has_text("real/config.toml", "before"));
	OK(lay_down(d, "2", &on, &err));
	ck_assert(is_link_to("manager/config.toml", target));
	ck_assert(has_text("real/config.toml", "changed"));
	ck_assert(stat(real, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_uid == 7 &&
		  st.st_gid == 8);
	ck_assert(!labelled || getxattr(real, "trusted.label", label, sizeof(label)) == 1);
	OK(deploy_uninstall(d, &off, &err));
	ck_assert(is_link_to("manager/config.toml", target));
	ck_assert(has_text("real/config.toml", "before"));
}
END_TEST

/* Nothing can be put before or behind its name. */
START_TEST(a_file_with_a_long_name_is_edited)
{
	AUTO(str) char *name = str_fmt("manager/%0255d", 7), *config = at(name);
	struct deploy_file ours = { config, "changed", 7, 0, false, NULL };
	struct deploy_step step = { .ops = &restart, .name = "restart" };
	struct deploy_change fails = { .files = &ours, .nfiles = 1, .steps = &step, .nsteps = 1 };
	struct deploy_change on = { .files = &ours, .nfiles = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	make_dir("manager");
	write_text("manager/config", "before");
	AUTO(str) char *short_name = at("manager/config");
	ck_assert_int_eq(rename(short_name, config), 0);
	OK(open_as(DEPLOY_CHANGE, kinds, &d, &err));
	FAILS(lay_down(d, "1", &fails, &err), E_FAILED);
	ck_assert(has_text(name, "before"));
	OK(lay_down(d, "2", &on, &err));
	ck_assert(has_text(name, "changed"));
}
END_TEST

/* etc/configuration.toml or all of etc/ is a link. */
START_TEST(a_linked_configuration_stays_linked)
{
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	make_dir("admin");
	AUTO(str) char *from = at(_i ? "kata/etc" : "kata/etc/configuration.toml");
	AUTO(str) char *to = at(_i ? "admin/etc" : "admin/configuration.toml");
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(symlink(to, from), 0);
	install("2");
	ck_assert(has_text("kata/etc/configuration.toml", "# made for 2\n"));
	ck_assert(is_link_to(_i ? "kata/etc" : "kata/etc/configuration.toml", to));
	write_text(_i ? "admin/etc/configuration.toml" : "admin/configuration.toml", "mine");
	install("3");
	ck_assert(has_text("kata/etc/configuration.toml", "mine"));
	ck_assert(has_text("kata/etc/configuration.toml.new", "# made for 3\n"));
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_rollback(d, NULL, NULL, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(is_link_to(_i ? "kata/etc" : "kata/etc/configuration.toml", to));
	ck_assert(has_text("kata/etc/configuration.toml", "mine"));
	ck_assert(!there("kata/store"));
	ck_assert(!there("kata/etc/configuration.toml.new"));
}
END_TEST

START_TEST(a_link_to_nothing_is_named)
{
	AUTO(str) char *config = at("config.toml");
	struct deploy_file file = { config, "changed", 7, 0, false, NULL };
	struct deploy_change c = { .files = &file, .nfiles = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	struct err why = ERR_INIT;

	if (_i < 2) {
		link_to(_i ? "config.toml" : "nowhere", "config.toml");
	} else {
		make_dir("kata/etc");
		link_to("/nowhere", "kata/etc/configuration.toml");
	}
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_int_lt(lay_down(d, "1", _i < 2 ? &c : NULL, &why), 0);
	ck_assert_int_eq(why.code, E_STATE);
	ck_assert_ptr_nonnull(strstr(why.msg, _i == 1 ? "in a circle; let" : "to nothing; let"));
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata/store"));
}
END_TEST

START_TEST(a_broken_link_stops_no_uninstall)
{
	AUTO(str) char *conf = at("kata/etc/configuration.toml");
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	ck_assert(unlink(conf) == 0 && symlink("nowhere", conf) == 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(is_link_to("kata/etc/configuration.toml", "nowhere") && !there("kata/store"));
}
END_TEST

/* The link is removed and its target stays; an undo restores the link. */
START_TEST(a_linked_file_that_goes_leaves_its_target)
{
	AUTO(str) char *dropin = at("conf.d/kata.toml");
	struct deploy_file gone = { .path = dropin };
	struct deploy_step step = { .ops = &restart, .name = "restart" };
	struct deploy_change away = { .files = &gone, .nfiles = 1 },
			     fails = { .files = &gone, .nfiles = 1, .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	install("1");
	make_dir("conf.d");
	make_dir("real");
	write_text("real/kata.toml", "runtime");
	link_to("../real/kata.toml", "conf.d/kata.toml");
	OK(open_as(DEPLOY_CHANGE, kinds, &d, &err));
	FAILS(deploy_uninstall(d, &fails, &err), E_FAILED);
	ck_assert(is_link_to("conf.d/kata.toml", "../real/kata.toml"));
	OK(deploy_uninstall(d, &away, &err));
	ck_assert(!there("conf.d/kata.toml") && has_text("real/kata.toml", "runtime"));
}
END_TEST

/* Below another root, absolute symlinks are relative to that root. */
START_TEST(links_stay_below_the_root)
{
	AUTO(str) char *root = at("root"), *config = at("root/etc/config.toml");
	struct deploy_file file = { config, "changed", 7, 0, false, NULL };
	struct deploy_change c = { .files = &file, .nfiles = 1 };
	struct deploy_options o = { .root = root, .lock = lock, .now = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	make_dir("root/etc");
	make_dir("root/srv");
	write_text("root/srv/config.toml", "before");
	link_to("/srv/config.toml", "root/etc/config.toml");
	free(prefix);
	prefix = at("root/kata");
	o.prefix = prefix;
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	OK(lay_down(d, "1", &c, &err));
	ck_assert(has_text("root/srv/config.toml", "changed"));
}
END_TEST

/* --- file systems --- */

/* Mounts a tmpfs on dir, in a mount namespace of this process. */
static bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool own_file_system(const char *options)
{
	if (own_mounts() && mount("none", dir, "tmpfs", 0, options) == 0)
		return true;
	(void)printf("skipped: a file system of one's own: %s\n", strerror(errno));
	return false;
}

/* Mounts a file system of that type on dir; its image file is unlinked. */
static bool own_disk(const char *mkfs, const char *option)
{
	static char image[] = "/tmp/deploy-test-disk.XXXXXX";
	struct spawn make = { .argv = ARGV(mkfs, "-q", option, image) };
	struct spawn mount = { .argv = ARGV("mount", "-o", "loop", image, dir) };
	struct err err = ERR_INIT;
	int fd = mkstemp(image);
	bool done = fd >= 0 && own_mounts() && ftruncate(fd, 32 << 20) == 0 &&
		    spawn_run(&make, NULL, 0, NULL, DEADLINE_NEVER, &err) == 0 &&
		    spawn_run(&mount, NULL, 0, NULL, DEADLINE_NEVER, &err) == 0;

	fd_close(&fd);
	(void)unlink(image);
	if (!done)
		(void)printf("skipped: %s: %s\n", mkfs, err.msg);
	return done;
}

START_TEST(a_full_file_system_is_seen_before)
{
	AUTO(deploy) struct deploy *d = NULL;

	if (!own_file_system(_i ? "nr_inodes=30" : "size=600k"))
		return;
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	FAILS(lay_down(d, "1", NULL, &err), E_LIMIT);
	FAILS(deploy_room(d, _i ? 1 : 1 << 20, _i ? 100 : 1, &err), E_LIMIT);
	deploy_close(STEAL(d, NULL));
	ck_assert(!there("kata"));
	ck_assert_int_eq(umount(dir), 0);
}
END_TEST

/* Fills the file system at path: with bytes, or with files. */
static void fill_up(bool files)
{
	static char zeros[4096];

	for (unsigned i = 0;; i++) {
		AUTO(str) char *path = str_fmt("%s/filler.%u", dir, files ? i : 0);
		AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		if (fd < 0 || (!files && write(fd, zeros, sizeof(zeros)) < 0))
			break;
	}
	ck_assert_int_eq(errno, ENOSPC);
}

static int recover_at(const char *where, const struct deploy_step_ops *const *undo,
		      struct err *err);

static int free_space(struct deploy *d, const char *verb, struct err *err)
{
	if (str_eq(verb, "gc"))
		return deploy_gc(d, NULL, err);
	if (str_eq(verb, "rollback"))
		return deploy_rollback(d, NULL, NULL, err);
	return deploy_uninstall(d, NULL, err);
}

/* On a file system without free bytes or inodes. */
START_TEST(verbs_that_free_space_need_none)
{
	static const char *const verbs[] = { "gc", "rollback", "uninstall" };
	const char *verb = verbs[_i % 3];
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *filler = at("filler.0");

	bool files = _i / 3 % 2; /* what runs out */

	if (_i < 6 ? !own_file_system(files ? "size=8m,nr_inodes=200" : "size=8m")
		   : !own_disk("mkfs.ext4", files ? "-N200" : "-m0"))
		return;
	install("1");
	install("2");
	install("3");
	write_text("kata/etc/configuration.toml", "mine");
	ck_assert(there("kata/state/reserve"));
	fill_up(files);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	OK(free_space(d, verb, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert_int_eq(there("kata/store"), !str_eq(verb, "uninstall"));
	/* There is room again, if not enough without this. */
	ck_assert_int_eq(unlink(filler), 0);
	if (there("kata/store")) {
		OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
		OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
		deploy_close(STEAL(d, NULL));
		ck_assert(files || there("kata/state/reserve"));
	}
	ck_assert_int_eq(umount(dir), 0);
}
END_TEST

/* No journal is there, whose recovery would release the reserve. */
START_TEST(a_lost_state_is_rebuilt_on_a_full_disk)
{
	static const char *const lost[] = { "kata/state/install.json", "kata/state/generations" };
	AUTO(str) char *path = at(lost[_i / 2]), *filler = at("filler.0");
	AUTO(deploy) struct deploy *d = NULL;
	bool files = _i % 2;

	if (!own_file_system(files ? "size=8m,nr_inodes=200" : "size=8m"))
		return;
	install("1");
	install("2");
	write_text("kata/state/trust.json", "junk");
	OK(path_remove_tree(path, &err));
	fill_up(files);
	OK(recover_at(prefix, NULL, &err));
	/* The files that were lost may have taken inodes of the reserve. */
	if (!files)
		fill_up(files);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, 2);
	OK(deploy_set_aside(d, "trust.json", NULL, &err));
	OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
	ck_assert_int_eq(unlink(filler), 0);
	deploy_close(STEAL(d, NULL));
	ck_assert(files || there("kata/state/reserve"));
	ck_assert_int_eq(umount(dir), 0);
}
END_TEST

static int stage_room(struct deploy *d, enum err_code expected, struct err *err)
{
	AUTO(fd) int stage = deploy_stage(d, "first", err);
	struct err why = ERR_INIT;

	if (stage < 0)
		return -1;
	ck_assert_int_eq(deploy_room(d, 1, 1, &why), expected ? -1 : 0);
	ck_assert_int_eq(why.code, expected);
	return 0;
}

/* A prefix of the tree of an image is not where its programs are executed. */
START_TEST(a_place_without_programs_is_seen_before)
{
	AUTO(str) char *elsewhere = str_fmt("%s.lock", dir);
	struct deploy_options o = { .prefix = prefix, .lock = elsewhere, .now = 1 };
	AUTO(deploy) struct deploy *d = NULL;

	if (!own_file_system("size=16m"))
		return;
	ck_assert_int_eq(mount(NULL, dir, NULL, MS_REMOUNT | MS_NOEXEC, NULL), 0);
	o.root = _i ? dir : NULL;
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	OK(stage_room(d, _i ? E_OK : E_PERMISSION, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert_int_eq(umount(dir), 0);
	(void)unlink(elsewhere);
}
END_TEST

/* Seals a file of 3 bytes that has a label; returns the label that it has then, heap. */
static char *label_after_seal(const char *label, mode_t mode)
{
	AUTO(str) char *staged = at("staged");
	AUTO(fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct entry e = { .path = (char *)"bin/tool", .mode = mode, .size = 3 };
	char now[256] = "";
	int guarded;

	sha256_hex("abc", 3, e.sha256);
	(void)unlink(staged);
	write_text("staged", "abc");
	if (setxattr(staged, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return NULL;
	OK(store_seal(root, "staged", &e, &guarded, &err));
	ck_assert_int_gt(getxattr(staged, "security.selinux", now, sizeof(now) - 1), 0);
	return xstrdup(now);
}

/* Only such a file may be executed in the domain of a container's VM. */
START_TEST(programs_have_a_label_of_programs)
{
	static const struct {
		const char *label;
		mode_t mode;
		const char *then;
	} cases[] = {
		{ "system_u:object_r:usr_t:s0", 0555, "system_u:object_r:bin_t:s0" },
		{ "unconfined_u:object_r:var_lib_t:s0:c1,c2", 0755,
		  "unconfined_u:object_r:bin_t:s0:c1,c2" },
		{ "system_u:object_r:usr_t", 0755, "system_u:object_r:bin_t" },
		{ "system_u:object_r:usr_t:s0", 0444, "system_u:object_r:usr_t:s0" },
		{ "system_u:object_r:bin_t:s0", 0555, "system_u:object_r:bin_t:s0" },
		{ "system_u:object_r:kata_exec_t:s0", 0555, "system_u:object_r:kata_exec_t:s0" },
		{ "_", 0555, "_" }, /* Smack, which has labels of one word */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *now = label_after_seal(cases[i].label, cases[i].mode);

		/* Not every file system has such attributes. */
		if (!now)
			return;
		ck_assert_str_eq(now, cases[i].then);
	}
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

/* --- nodes of older versions --- */

/* Nodes as kata-deploy 0.1 left them when it was killed: tests/crash/subject.c on release 1. */
#define OLD_NODE "/tmp/deploy-journal-test"

static int tell_undo(void *context, const struct json *record, struct err *err)
{
	(void)context;
	return file_replace(AT_FDCWD, OLD_NODE "/etc/served", json_get_text(record, "was"),
			    strlen(json_get_text(record, "was")), 0644, err);
}

static const struct deploy_step_ops tell = { "tell", NULL, pass, tell_undo, NULL };
static const struct deploy_step_ops *const told[] = { &tell, NULL };

static bool old_node_has(const char *path, const char *text)
{
	AUTO(str) char *full = path_join(OLD_NODE, path);
	AUTO(buf) struct buf b = BUF_INIT(4096);
	struct err err = ERR_INIT;

	return file_read(AT_FDCWD, full, 4096, &b, &err) == 0 && strstr(buf_cstr(&b), text);
}

START_TEST(journals_of_older_versions_are_recovered)
{
	static const struct {
		const char *archive, *served, *config, *shim;
		size_t generations;
	} nodes[] = {
		{ "upgrade-interrupted", "1", "imports", "shim 1", 1 },
		{ "uninstall-interrupted", "1", "imports", "shim 1", 1 },
		{ "uninstall-committed", "none", "administrator", NULL, 0 },
		{ "gc-committed", "3", "imports", "shim 3", 2 },
	};
	AUTO(str) char *archive = str_fmt("tests/data/deploy/%s.tar.gz", nodes[_i].archive);
	struct spawn tar = { .argv = ARGV("tar", "-C", "/tmp", "-xzpf", archive) };
	struct deploy_options o = { .prefix = OLD_NODE "/kata", .lock = lock, .kinds = told };
	AUTO(deploy) struct deploy *d = NULL;

	OK(path_remove_tree(OLD_NODE, &err));
	OK(spawn_run(&tar, NULL, 0, NULL, DEADLINE_NEVER, &err));
	OK(deploy_open(&o, DEPLOY_LOOK, &d, &err));
	ck_assert(deploy_is_interrupted(d));
	deploy_close(STEAL(d, NULL));
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	ck_assert(!deploy_is_interrupted(d));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, nodes[_i].generations);
	ck_assert(old_node_has("etc/served", nodes[_i].served));
	ck_assert(old_node_has("etc/config.toml", nodes[_i].config));
	ck_assert(!nodes[_i].shim ||
		  old_node_has("kata/bin/containerd-shim-kata-v2", nodes[_i].shim));
	if (nodes[_i].shim) {
		OK(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err));
		OK(deploy_uninstall(d, NULL, &err));
	}
	deploy_close(STEAL(d, NULL));
	ck_assert(!path_exists(OLD_NODE "/kata"));
	OK(path_remove_tree(OLD_NODE, &err));
}
END_TEST

/* --- lost state --- */

static int recover_at(const char *where, const struct deploy_step_ops *const *undo, struct err *err)
{
	struct deploy_options o = { .prefix = where, .lock = lock, .now = 1, .kinds = undo };
	AUTO(strv) char **found = NULL;

	return deploy_recover(&o, collect, &found, err);
}

/* state/ is lost, with it `current` or one of two generations. Verbs work with the rebuilt state. */
START_TEST(a_lost_state_is_rebuilt)
{
	AUTO(layout) struct layout one = LAYOUT_INIT, two = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(plan) struct plan p = PLAN_INIT;
	AUTO(str) char *state = at("kata/state"), *current = at("kata/current");
	struct err none = ERR_INIT;
	int damaged;

	release_make("1", &one, &none);
	release_make("2", &two, &none);
	AUTO(str) char *json = str_fmt("%s/generations/%s.json", state, one.id);
	AUTO(str) char *tree = str_fmt("%s/generations/%s", prefix, one.id);
	install("1");
	install("2");
	write_text("kata/etc/configuration.toml", "mine");
	if (_i < 2)
		OK(path_remove_tree(state, &err));
	else
		ck_assert_int_eq(unlink(json), 0);
	if (_i == 1)
		ck_assert_int_eq(unlink(current), 0);
	if (_i == 3)
		OK(path_remove_tree(tree, &err));
	if (_i < 2)
		FAILS(open_as(DEPLOY_CHANGE, NULL, &d, &err), E_STATE);
	ck_assert_int_gt(recover_at(prefix, NULL, &none), 0);
	ck_assert_int_eq(recover_at(prefix, NULL, &none), 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, _i == 3 ? 1 : 2);
	if (_i != 1)
		ck_assert_str_eq(deploy_installed(d)->current, two.id);
	damaged = deploy_verify(d, DEPLOY_HASH, NULL, NULL, &none);
	ck_assert(_i == 1 ? damaged > 0 : damaged == 0);
	OK(deploy_repair(d, NULL, &err));
	OK(deploy_plan_lay_down(d, &two, NULL, &p, &err));
	ck_assert(_i == 1 || plan_is_empty(&p));
	if (_i != 3) {
		OK(deploy_rollback(d, one.id, NULL, &err));
		ck_assert(has_text("kata/bin/containerd-shim-kata-v2", "shim 1"));
	}
	OK(deploy_gc(d, NULL, &err));
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(has_text("kata/etc/configuration.toml", "mine"));
	ck_assert(!there("kata/store") && !there("kata/state"));
}
END_TEST

static unsigned fails_in; /* at this call of readdir() from now; 0: at none */

struct dirent *readdir(DIR *d)
{
	static struct dirent *(*next)(DIR *);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "readdir");
	if (!fails_in || --fails_in > 0)
		return next(d);
	errno = EIO;
	return NULL;
}

/* A layout without some of its files would let gc remove them. */
START_TEST(a_directory_that_cannot_be_read_is_not_empty)
{
	AUTO(layout) struct layout one = LAYOUT_INIT;
	AUTO(strv) char **names = NULL;
	AUTO(deploy) struct deploy *d = NULL;
	struct err none = ERR_INIT;
	bool failed = true;

	release_make("1", &one, &none);
	AUTO(str) char *json = str_fmt("kata/state/generations/%s.json", one.id);
	AUTO(str) char *whole = at(json);
	install("1");
	OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
	fails_in = 3;
	FAILS(prefix_list(d, "store/sha256", &names, &err), E_IO);
	for (unsigned n = 1; failed; n++) {
		AUTO(layout) struct layout l = LAYOUT_INIT;

		(void)unlink(whole);
		fails_in = n;
		(void)!recover_at(prefix, NULL, &none);
		failed = fails_in == 0;
		fails_in = 0;
		err_clear(&none);
		if (there(json)) {
			OK(layout_load(d, one.id, &l, &err));
			ck_assert_uint_eq(l.entries.n, one.entries.n);
		}
	}
	ck_assert(there(json));
}
END_TEST

/* What cannot be read now may be whole: recover reports the error, and forgets nothing. */
START_TEST(a_generation_that_cannot_be_read_is_not_lost)
{
	AUTO(layout) struct layout one = LAYOUT_INIT;
	struct err none = ERR_INIT;
	bool failed = true;

	release_make("1", &one, &none);
	AUTO(str) char *json = str_fmt("kata/state/generations/%s.json", one.id);
	AUTO(str) char *whole = at(json);
	install("1");
	install("2");
	for (unsigned n = 1; failed; n++) {
		AUTO(deploy) struct deploy *d = NULL;
		struct err why = ERR_INIT;

		ck_assert_int_eq(unlink(whole), 0);
		fails_in = n;
		failed = recover_at(prefix, NULL, &why) < 0;
		ck_assert_msg(failed == (fails_in == 0), "call %u: %s", n, why.msg);
		ck_assert_msg(!failed || why.code == E_IO, "%s", why.msg);
		fails_in = 0;
		ck_assert_int_ge(recover_at(prefix, NULL, &none), 0);
		OK(open_as(DEPLOY_LOOK, NULL, &d, &err));
		ck_assert_uint_eq(deploy_installed(d)->generations.n, 2);
	}
	ck_assert(there(json));
}
END_TEST

/* In the middle of an upgrade that has made all its files: its journal, or the old contents of a
 * file outside the prefix. */
START_TEST(a_damaged_journal_is_set_aside)
{
	static const struct {
		const char *path, *with;
	} damaged[] = {
		{ OLD_NODE "/kata/state/journal", "junk" },
		{ OLD_NODE "/kata/state/kept/15", "junk" },
		{ OLD_NODE "/kata/state/kept/15", NULL },
	};
	struct spawn tar = { .argv = ARGV("tar", "-C", "/tmp", "-xzpf",
					  "tests/data/deploy/upgrade-interrupted.tar.gz") };
	struct deploy_options o = { .prefix = OLD_NODE "/kata", .lock = lock, .kinds = told };
	AUTO(deploy) struct deploy *d = NULL;
	struct err none = ERR_INIT;

	OK(path_remove_tree(OLD_NODE, &err));
	OK(spawn_run(&tar, NULL, 0, NULL, DEADLINE_NEVER, &err));
	if (damaged[_i].with)
		OK(file_write(AT_FDCWD, damaged[_i].path, damaged[_i].with, &err));
	else
		ck_assert_int_eq(unlink(damaged[_i].path), 0);
	FAILS(deploy_open(&o, DEPLOY_CHANGE, &d, &err), E_INVALID);
	/* If the copies cannot be set aside, the journal stays, without which they are removed. */
	if (own_mounts() && mount("none", OLD_NODE "/kata/state/kept", "tmpfs", 0, NULL) == 0) {
		FAILS(recover_at(OLD_NODE "/kata", told, &err), E_IO);
		ck_assert(path_exists(OLD_NODE "/kata/state/journal"));
		ck_assert_int_eq(umount(OLD_NODE "/kata/state/kept"), 0);
	}
	ck_assert_int_eq(recover_at(OLD_NODE "/kata", told, &none), 1);
	ck_assert(path_exists(OLD_NODE "/kata/state/damaged/kept"));
	OK(deploy_open(&o, DEPLOY_CHANGE, &d, &err));
	ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &none), 0);
	OK(deploy_uninstall(d, NULL, &err));
	deploy_close(STEAL(d, NULL));
	ck_assert(!path_exists(OLD_NODE "/kata"));
	OK(path_remove_tree(OLD_NODE, &err));
}
END_TEST

static void collect_what(void *arg, const char *path, const char *what)
{
	(void)path;
	strv_push(arg, what);
}

/* What was set aside are the only copies: the next recovery leaves them, and says where its own
 * are. The name may be of a file, a directory, or an empty one. */
START_TEST(what_was_set_aside_stays)
{
	static const char *const dirs[] = { "kept", "kept.1", "kept.2", "kept.3" };
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1 };
	struct err none = ERR_INIT;

	install("1");
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO(str) char *place = str_fmt("state/damaged/%s", dirs[i]);
		AUTO(str) char *nth = str_fmt("journal %zu\n", i);
		AUTO(strv) char **said = NULL;

		write_text("kata/state/journal", nth);
		make_dir("kata/state/kept");
		if (i > 0)
			write_text("kata/state/kept/1", nth);
		ck_assert_int_eq(deploy_recover(&o, collect_what, &said, &none), 1);
		ck_assert_msg(str_ends(said[0], place), "%s", said[0]);
	}
	ck_assert(there("kata/state/damaged/kept") && !there("kata/state/damaged/kept/1"));
	ck_assert(has_text("kata/state/damaged/kept.1/1", "journal 1\n"));
	ck_assert(has_text("kata/state/damaged/kept.3/1", "journal 3\n"));
	ck_assert(has_text("kata/state/damaged/journal", "journal 0\n"));
	ck_assert(has_text("kata/state/damaged/journal.3", "journal 3\n"));
}
END_TEST

START_TEST(there_is_a_limit_to_what_is_set_aside)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *to = NULL;
	struct err why = ERR_INIT;
	int rc = 0;

	install("1");
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	for (unsigned i = 0; i < 1000 && rc == 0; i++) {
		free(STEAL(to, NULL));
		write_text("kata/state/trust.json", "junk");
		rc = deploy_set_aside(d, "trust.json", &to, &why);
	}
	ck_assert_int_eq(why.code, E_LIMIT);
	ck_assert(there("kata/state/trust.json") && there("kata/state/damaged/trust.json"));
	OK(deploy_set_aside(d, "nothing", &to, &err));
	ck_assert_ptr_null(to);
}
END_TEST

/* More nested than any document of ours. */
START_TEST(a_document_above_a_limit_is_damaged)
{
	AUTO(layout) struct layout one = LAYOUT_INIT;
	AUTO(deploy) struct deploy *d = NULL;
	struct err none = ERR_INIT;
	char deep[2048];

	release_make("1", &one, &none);
	AUTO(str) char *json = str_fmt("kata/state/generations/%s.json", one.id);
	const char *const damaged[] = { "kata/state/install.json", json, "kata/state/journal" };
	install("1");
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	if (_i == 2) {
		AUTO(str) char *line = str_fmt("%s\n", deep);
		char hex[65];

		sha256_hex(deep, strlen(deep), hex);
		AUTO(str) char *journal = str_fmt("%.16s %s", hex, line);
		write_text(damaged[_i], journal);
	} else {
		write_text(damaged[_i], deep);
	}
	if (_i != 1)
		FAILS(open_as(DEPLOY_CHANGE, NULL, &d, &err), E_INVALID);
	ck_assert_int_gt(recover_at(prefix, NULL, &none), 0);
	OK(open_as(DEPLOY_CHANGE, NULL, &d, &err));
	ck_assert_uint_eq(deploy_installed(d)->generations.n, 1);
	ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &none), 0);
}
END_TEST

/* In a directory that is no prefix, or does not exist. */
START_TEST(recover_makes_nothing)
{
	struct err none = ERR_INIT;

	if (_i)
		make_dir("kata/theirs");
	ck_assert_int_eq(recover_at(prefix, NULL, &none), 0);
	ck_assert(there("kata") == (_i == 1) && !there("kata/state"));
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

/* The file belongs to a change, but an uninstall does not remove it; its directory is private. */
START_TEST(a_file_may_outlive_the_installation)
{
	AUTO(str) char *kept = at("var/lib/memory/file");
	struct deploy_file file = { kept, "kept", 4, 0600, true, NULL },
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

START_TEST(a_directory_that_comes_back_has_its_owner)
{
	AUTO(str) char *kept = at("memory/file"), *own = at("memory");
	struct deploy_file file = { kept, "kept", 4, 0600, true, NULL },
			   gone = { .path = kept, .outlives = true };
	struct deploy_step step = { .ops = &restart, .name = "restart" };
	struct deploy_change c = { .files = &file, .nfiles = 1 },
			     fails = { .files = &gone, .nfiles = 1, .steps = &step, .nsteps = 1 };
	AUTO(deploy) struct deploy *d = NULL;
	struct stat st;

	OK(open_as(DEPLOY_CHANGE, kinds, &d, &err));
	OK(lay_down(d, "1", &c, &err));
	ck_assert(chown(own, 7, 8) == 0 && chmod(own, 02750) == 0);
	FAILS(deploy_uninstall(d, &fails, &err), E_FAILED);
	ck_assert(has_text("memory/file", "kept"));
	ck_assert(stat(own, &st) == 0 && st.st_uid == 7 && st.st_gid == 8);
	ck_assert_uint_eq(st.st_mode & 07777, 02750);
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

/* A record that may only be listed, not be looked at: what is installed is unknown. */
START_TEST(a_record_that_cannot_be_seen_is_not_missing)
{
	AUTO(str) char *state = at("kata/state");
	AUTO(deploy) struct deploy *d = NULL;

	if (geteuid() != 0)
		return;
	install("1");
	ck_assert(chmod(dir, 0755) == 0 && chmod(state, 0744) == 0);
	ck_assert_int_eq(seteuid(65534), 0);
	FAILS(open_as(DEPLOY_LOOK, NULL, &d, &err), E_PERMISSION);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* The target of the link is too long; nothing is removed. */
START_TEST(a_link_that_cannot_be_read_is_an_error)
{
	AUTO(str) char *path = str_fmt("%s/%0300d", dir, 0);
	struct plan_action a = { .kind = PLAN_UNLINK, .path = path, .was = (char *)"target" };
	struct deploy d = { .root = -1, .state = -1, .lock = -1 };

	FAILS(unlink_apply(&d, &a, &err), E_IO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deploy");
	TCase *tc = tcase_create("deploy");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_release_is_laid_down);
	tcase_add_loop_test(tc, a_file_system_may_have_no_rename_with_flags, 0,
			    ARRAY_LEN(rename_causes));
	tcase_add_test(tc, nothing_to_do_is_an_empty_plan);
	tcase_add_test(tc, a_plan_changes_nothing);
	tcase_add_loop_test(tc, one_writer_at_a_time, 0, 2);
	tcase_add_test(tc, a_holder_may_have_no_prefix);
	tcase_add_loop_test(tc, a_lock_of_another_user_is_not_ours, 0, 3);
	tcase_add_test(tc, another_writer_is_waited_for);
	tcase_add_test(tc, who_waits_for_another_writer_can_be_interrupted);
	tcase_add_test(tc, a_waiting_writer_can_be_told_to_end);
	tcase_add_loop_test(tc, foreign_files_in_the_prefix_are_refused, 0, 3);
	tcase_add_loop_test(tc, staged_files_that_differ_from_the_release_are_refused, 0, 6);
	tcase_add_test(tc, edited_configuration_survives_every_verb);
	tcase_add_loop_test(tc, the_prefix_goes_if_it_was_ours, 0, 2);
	tcase_add_loop_test(tc, directories_above_the_prefix_go_with_it, 0, 4);
	tcase_add_test(tc, a_prefix_with_files_of_others_keeps_its_mode);
	tcase_add_loop_test(tc, a_record_with_a_password_is_only_for_root, 0, ARRAY_LEN(records));
	tcase_add_test(tc, directories_above_a_prefix_that_stays_stay);
	tcase_add_test(tc, a_plan_shows_the_directories_above_the_prefix);
	tcase_add_test(tc, directories_above_the_prefix_are_those_of_the_root);
	tcase_add_loop_test(tc, directories_above_the_prefix_of_a_killed_install_go, 0, 3);
	tcase_add_test(tc, gc_keeps_what_is_in_use);
	tcase_add_loop_test(tc, gc_removes_directories_of_others, 0, 2);
	tcase_add_test(tc, too_many_generations_are_refused);
	tcase_add_test(tc, a_rollback_without_a_previous_generation_is_refused);
	tcase_add_test(tc, damage_is_found_and_repaired);
	tcase_add_test(tc, a_step_that_fails_undoes_everything);
	tcase_add_loop_test(tc, steps_around_files, 0, 2);
	tcase_add_loop_test(tc, a_newer_file_is_not_overwritten, 0, 7);
	tcase_add_loop_test(tc, foreign_directories_go_if_empty, 0, 2);
	tcase_add_loop_test(tc, a_signal_undoes_a_change_that_waits, 0, 3);
	tcase_add_loop_test(tc, a_linked_file_is_edited_where_it_is, 0, 3);
	tcase_add_test(tc, a_file_with_a_long_name_is_edited);
	tcase_add_loop_test(tc, a_linked_configuration_stays_linked, 0, 2);
	tcase_add_loop_test(tc, a_link_to_nothing_is_named, 0, 3);
	tcase_add_test(tc, a_broken_link_stops_no_uninstall);
	tcase_add_test(tc, a_linked_file_that_goes_leaves_its_target);
	tcase_add_test(tc, links_stay_below_the_root);
	tcase_add_loop_test(tc, a_full_file_system_is_seen_before, 0, 2);
	tcase_add_loop_test(tc, verbs_that_free_space_need_none, 0, 12);
	tcase_add_loop_test(tc, a_lost_state_is_rebuilt_on_a_full_disk, 0, 4);
	tcase_add_loop_test(tc, a_place_without_programs_is_seen_before, 0, 2);
	tcase_add_test(tc, programs_have_a_label_of_programs);
	tcase_add_test(tc, a_read_only_file_system_is_seen_before);
	tcase_add_loop_test(tc, journals_of_older_versions_are_recovered, 0, 4);
	tcase_add_loop_test(tc, a_lost_state_is_rebuilt, 0, 4);
	tcase_add_test(tc, a_directory_that_cannot_be_read_is_not_empty);
	tcase_add_test(tc, a_generation_that_cannot_be_read_is_not_lost);
	tcase_add_loop_test(tc, a_damaged_journal_is_set_aside, 0, 3);
	tcase_add_test(tc, what_was_set_aside_stays);
	tcase_add_test(tc, there_is_a_limit_to_what_is_set_aside);
	tcase_add_loop_test(tc, a_document_above_a_limit_is_damaged, 0, 3);
	tcase_add_loop_test(tc, recover_makes_nothing, 0, 2);
	tcase_add_test(tc, a_journal_that_is_not_ours_stops_everything);
	tcase_add_loop_test(tc, a_file_may_outlive_the_installation, 0, 2);
	tcase_add_test(tc, a_directory_that_comes_back_has_its_owner);
	tcase_add_test(tc, a_newer_install_json_is_left_alone);
	tcase_add_test(tc, staging_of_a_dead_process_goes);
	tcase_add_test(tc, a_record_that_cannot_be_seen_is_not_missing);
	tcase_add_test(tc, a_link_that_cannot_be_read_is_an_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
