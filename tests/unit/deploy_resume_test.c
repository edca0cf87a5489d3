// SPDX-License-Identifier: Apache-2.0
/*
 * Changes whose restart ends the process that makes them, as in a pod of the container manager. The
 * recovery continues from the journal, and neither it nor an undo restarts anything twice.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "deploy/engine/engine.h"
#include "tests/crash/release.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *prefix, *lock, *config, *happened;

/* The step at which the process is killed, and the step that fails: a word of "happened". */
static const char *dies_at, *fails_at;

static void set_up(void)
{
	scratch_make(dir, "deploy-resume");
	prefix = path_join(dir, "kata");
	lock = path_join(dir, "lock");
	config = path_join(dir, "config.toml");
	happened = path_join(dir, "happened");
	(void)umask(022);
	log_set_level(LOG_FATAL);
	dies_at = fails_at = NULL;
}

static void tear_down(void)
{
	scratch_remove(dir);
	free(prefix);
	free(lock);
	free(config);
	free(happened);
}

static char *text_of(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(4096);
	struct err err = ERR_INIT;

	return file_read(AT_FDCWD, path, 4096, &b, &err) < 0 ? NULL : xstrdup(buf_cstr(&b));
}

/* --- steps that append their name to "happened" --- */

static int note(const char *what, struct err *err)
{
	AUTO(fd) int fd = open(happened, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, what, strlen(what)) < 0 || write(fd, " ", 1) < 0)
		return err_sys(err, "write %s", happened);
	if (str_eq(dies_at, what))
		(void)kill(getpid(), SIGKILL);
	return str_eq(fails_at, what) ? err_set(err, E_FAILED, "%s", what) : 0;
}

static int watch_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step, (void)record;
	return note("watch", err);
}

static int watch_undo(void *context, const struct json *record, struct err *err)
{
	AUTO(str) char *now = text_of(config);
	const struct json *restored = json_get(record, "restored");
	uint64_t when = 0;

	(void)context;
	if (restored && (json_u64(restored, &when) < 0 || when == 0 || when > clock_ms()))
		return err_set(err, E_INVALID, "restored at %llu", (unsigned long long)when);
	if (!str_eq(now, "before"))
		return err_set(err, E_STATE, "the files are not as before");
	return note(restored ? "again" : "back", err);
}

static int restart_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step, (void)record;
	return note("restart", err);
}

static int restart_resume(void *context, const struct json *record, struct err *err)
{
	(void)context, (void)record;
	return note("resume", err);
}

static int serve_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step, (void)record;
	return note("serve", err);
}

static int serve_resume(void *context, const struct json *record, struct err *err)
{
	(void)context, (void)record;
	return note("served", err);
}

static int nothing(void *context, const struct json *record, struct err *err)
{
	(void)context, (void)record, (void)err;
	return 0;
}

/* Nothing can be written with the name of a directory. */
static int spoil_journal(const struct deploy_step *step, struct json *record, struct err *err)
{
	AUTO(str) char *tmp = path_join(prefix, "state/journal.new");

	(void)step, (void)record;
	return mkdir(tmp, 0700) < 0 ? err_sys(err, "make %s", tmp) : 0;
}

static const struct deploy_step_ops watch = { "watch", NULL, watch_apply, watch_undo, NULL };
static const struct deploy_step_ops restart = { "restart", NULL, restart_apply, nothing,
						restart_resume };
static const struct deploy_step_ops serve = { "serve", NULL, serve_apply, nothing, serve_resume };
static const struct deploy_step_ops *const kinds[] = { &watch, &restart, &serve, NULL };

static const struct deploy_step_ops *first = &watch; /* the step before the files */

/* --- changes --- */

static int open_it(struct deploy **d, struct err *err)
{
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1, .kinds = kinds };

	return deploy_open(&o, DEPLOY_CHANGE, d, err);
}

static int change(bool uninstalls, bool resumes, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(layout) struct layout l = LAYOUT_INIT;
	struct deploy_file file = {
		config, uninstalls ? "before" : "after", uninstalls ? 6 : 5, 0, false, NULL
	};
	const struct deploy_step steps[] = {
		{ .ops = first, .name = "watch", .before_files = true },
		{ .ops = &restart, .name = "restart" },
		{ .ops = &serve, .name = "serve" },
	};
	struct deploy_change c = {
		.files = &file, .nfiles = 1, .steps = steps, .nsteps = 3, .resumes = resumes
	};

	if (open_it(&d, err) < 0)
		return -1;
	if (uninstalls)
		return deploy_uninstall(d, &c, err);
	AUTO(fd) int fd = deploy_stage(d, "1", err);
	release_make("1", &l, err);
	if (fd < 0 || release_unpack("1", fd, err) < 0)
		return -1;
	return deploy_lay_down(d, &l, "1", &c, err);
}

/* Makes the change in a process of its own. True if it was killed. */
static bool dies(int what, const char *where, const char *failing)
{
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	int side = spawn_fork(&child, &err), code = -1;

	ck_assert_int_ge(side, 0);
	if (side == 0) {
		AUTO(deploy) struct deploy *d = NULL;

		dies_at = where;
		fails_at = failing;
		_exit((what == 'r' ? open_it(&d, &err) : change(what == 'u', true, &err)) < 0);
	}
	ck_assert_int_eq(spawn_wait(&child, deadline_in(60000), &code, &err), 0);
	return code == 128 + SIGKILL;
}

static void write_before(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, config, "before", 6, 0644, &err), 0);
}

/* Opens the prefix, as the next process does, and checks the result of the recovery. */
static void recovered(bool installed, const char *contents, const char *story)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(str) char *text = NULL, *all = NULL, *journal = path_join(prefix, "state/journal");
	struct err err = ERR_INIT;

	ck_assert_msg(open_it(&d, &err) == 0, "%s", err.msg);
	ck_assert(!path_exists(journal));
	text = text_of(config);
	all = text_of(happened);
	ck_assert_str_eq(text, contents);
	ck_assert_msg(str_eq(all, story), "'%s'", all);
	ck_assert_int_eq(deploy_installed(d)->current != NULL, installed);
	if (installed)
		ck_assert_int_eq(deploy_verify(d, DEPLOY_HASH, NULL, NULL, &err), 0);
}

START_TEST(a_restart_that_ends_the_process_is_not_repeated)
{
	write_before();
	ck_assert(dies('i', "restart", NULL));
	recovered(true, "after", "watch restart resume served ");
}
END_TEST

START_TEST(a_recovery_that_is_killed_twice_finishes)
{
	write_before();
	ck_assert(dies('i', "restart", NULL));
	ck_assert(dies('r', "resume", NULL));
	ck_assert(dies('r', "served", NULL));
	recovered(true, "after", "watch restart resume resume served resume served ");
}
END_TEST

START_TEST(a_recovery_that_cannot_go_on_is_undone)
{
	write_before();
	ck_assert(dies('i', "restart", NULL));
	fails_at = "served";
	recovered(false, "before", "watch restart resume served back ");
}
END_TEST

/* The undo restarts the manager too, which ends the process; the next process knows that. */
START_TEST(an_undo_that_ends_the_process_is_not_repeated)
{
	write_before();
	ck_assert(dies('i', "restart", NULL));
	ck_assert(dies('r', "back", "served"));
	recovered(false, "before", "watch restart resume served back again ");
}
END_TEST

START_TEST(an_uninstall_that_was_killed_is_finished)
{
	struct err err = ERR_INIT;

	write_before();
	ck_assert_msg(change(false, true, &err) == 0, "%s", err.msg);
	ck_assert(dies('u', "restart", NULL));
	recovered(false, "before", "watch restart serve watch restart resume served ");
	ck_assert(!path_exists(prefix));
}
END_TEST

/* If only a crash can have ended the process, the change is undone. */
START_TEST(a_change_without_resume_is_undone)
{
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	int side, code;

	write_before();
	side = spawn_fork(&child, &err);
	ck_assert_int_ge(side, 0);
	if (side == 0) {
		dies_at = "restart";
		_exit(change(false, false, &err) < 0);
	}
	ck_assert_int_eq(spawn_wait(&child, deadline_in(60000), &code, &err), 0);
	ck_assert_int_eq(code, 128 + SIGKILL);
	recovered(false, "before", "watch restart back ");
}
END_TEST

START_TEST(without_a_journal_nothing_has_begun)
{
	static const struct deploy_step_ops spoils = { "watch", spoil_journal, watch_apply,
						       watch_undo, NULL };
	struct err err = ERR_INIT;

	write_before();
	first = &spoils;
	ck_assert_int_lt(change(false, true, &err), 0);
	ck_assert_msg(!strstr(err.msg, "undoing"), "%s", err.msg);
	ck_assert(!path_exists(happened) && !path_exists(prefix));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deploy_resume");
	TCase *tc = tcase_create("resume");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_restart_that_ends_the_process_is_not_repeated);
	tcase_add_test(tc, a_recovery_that_is_killed_twice_finishes);
	tcase_add_test(tc, a_recovery_that_cannot_go_on_is_undone);
	tcase_add_test(tc, an_undo_that_ends_the_process_is_not_repeated);
	tcase_add_test(tc, an_uninstall_that_was_killed_is_finished);
	tcase_add_test(tc, a_change_without_resume_is_undone);
	tcase_add_test(tc, without_a_journal_nothing_has_begun);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
