// SPDX-License-Identifier: Apache-2.0
/* What a node that upgrades itself records: its last run, and the releases that failed. And its
 * units. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/timer/past.h"
#include "deploy/timer/units.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static int state = -1;
static struct err err;

static void set_up(void)
{
	err = (struct err)ERR_INIT;
	scratch_make(dir, "timer");
	state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(state, 0);
}

static void tear_down(void)
{
	(void)unlinkat(state, TIMER_PAST, 0);
	fd_close(&state);
	(void)rmdir(dir);
	memset(dir + sizeof(dir) - 7, 'X', 6);
}

static const char *digest(unsigned n)
{
	static char text[65];

	ck_assert_int_eq(str_print(text, sizeof(text), "%064x", n), 0);
	return text;
}

START_TEST(releases_that_are_held_are_remembered)
{
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT, again = TIMER_PAST_INIT;

	ck_assert_int_eq(timer_past_load(-1, &past, &err), 0);
	ck_assert(timer_past_look(state, &err) == 0);
	ck_assert_int_eq(timer_past_load(state, &past, &err), 0);
	ck_assert_ptr_null(timer_past_held(&past, digest(1)));
	timer_past_hold(&past, digest(1), "1.0.0", 7, "it \"failed\"");
	timer_past_hold(&past, digest(2), "2.0.0", 8, "so did this");
	timer_past_ended(&past, "failed", "2.0.0", 9, "so did this");
	ck_assert_int_eq(timer_past_save(state, &past, &err), 0);
	ck_assert(timer_past_look(state, &err) == 1);

	ck_assert_int_eq(timer_past_load(state, &again, &err), 0);
	ck_assert_str_eq(json_get_text(timer_past_held(&again, digest(1)), "why"), "it \"failed\"");
	ck_assert_str_eq(json_get_text(again.last, "result"), "failed");
	/* The same release has one entry; a repaired release of the same version has another. */
	timer_past_hold(&again, digest(1), "1.0.0", 10, "again");
	ck_assert_uint_eq(json_count(again.held), 2);
	timer_past_hold(&again, digest(3), "1.0.0", 10, "repaired");
	ck_assert_uint_eq(timer_past_unhold(&again, "1.0.0"), 2);
	ck_assert_uint_eq(timer_past_unhold(&again, "1.0.0"), 0);
	ck_assert_ptr_null(timer_past_held(&again, digest(1)));
	ck_assert_ptr_nonnull(timer_past_held(&again, digest(2)));
	ck_assert_uint_eq(timer_past_unhold(&again, NULL), 1);
}
END_TEST

/* A release that is held is not tried again. */
START_TEST(only_a_release_that_failed_is_blamed)
{
	static const struct {
		enum err_code code;
		int sys;
		bool blamed;
	} cases[] = {
		{ E_FAILED, 0, true },
		{ E_TIMEOUT, 0, true },
		{ E_IO, EIO, true },
		{ E_CANCELLED, 0, false },
		{ E_LIMIT, 0, false },
		{ E_IO, ENOSPC, false },
		/* A configuration that another program writes meanwhile */
		{ E_STATE, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		err.code = cases[i].code;
		err.sys = cases[i].sys;
		ck_assert_msg(timer_past_blames(&err) == cases[i].blamed, "%zu", i);
	}
}
END_TEST

START_TEST(only_the_newest_are_held)
{
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;

	for (unsigned i = 0; i < 3 * TIMER_HELD_MAX; i++)
		timer_past_hold(&past, digest(i), "1.0.0", i, "");
	ck_assert_uint_eq(json_count(past.held), TIMER_HELD_MAX);
	ck_assert_ptr_null(timer_past_held(&past, digest(2 * TIMER_HELD_MAX - 1)));
	ck_assert_ptr_nonnull(timer_past_held(&past, digest(2 * TIMER_HELD_MAX)));
	ck_assert_ptr_nonnull(timer_past_held(&past, digest(3 * TIMER_HELD_MAX - 1)));
}
END_TEST

static const char *const damaged[] = {
	"",
	"{",
	"[]",
	"{\"held\": {}}",
	"{\"held\": [1]}",
	"{\"held\": [{}]}",
	"{\"held\": [{\"sha256\": \"a\", \"version\": \"1\", \"why\": \"\"}]}",
	"{\"held\": [{\"sha256\": \"a\", \"version\": \"1\", \"why\": \"\", \"when\": -1}]}",
	"{\"held\": [{\"sha256\": \"a\", \"version\": \"1\", \"why\": \"\", \"when\": \"1\"}]}",
	"{\"last\": []}",
	"{\"last\": {\"when\": 1, \"result\": \"x\", \"version\": null}}",
};

/* Otherwise a release that failed would be tried again. */
START_TEST(a_damaged_file_is_an_error)
{
	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;

	ck_assert_int_eq(
		file_replace(state, TIMER_PAST, damaged[_i], strlen(damaged[_i]), 0600, &err), 0);
	ck_assert_int_lt(timer_past_load(state, &past, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert(!past.last && !past.held);
}
END_TEST

/* --- units --- */

static char *synced; /* the last directory, as /proc/self/fd names it */

int fsync(int fd)
{
	AUTO(str) char *self = str_fmt("/proc/self/fd/%d", fd);
	char name[PATH_MAX] = "";

	(void)!readlink(self, name, sizeof(name) - 1);
	str_set(&synced, name);
	return (int)syscall(SYS_fsync, fd);
}

START_TEST(what_enables_the_timer_is_on_disk)
{
	struct units u = { .place = { "/opt/kata", dir } };
	AUTO(str) char *etc = path_join(dir, "etc/systemd/system");
	AUTO(str) char *wants = path_join(etc, "timers.target.wants");
	bool changed = false;

	ck_assert_msg(units_enable(&u, &changed, &err) == 0 && changed, "%s", err.msg);
	ck_assert_str_eq(synced, wants);
	str_set(&synced, NULL);
	ck_assert_msg(units_disable(&u.place, &changed, &err) == 0 && changed, "%s", err.msg);
	ck_assert_str_eq(synced, etc);
	str_set(&synced, NULL);
	ck_assert_int_eq(path_remove_below(state, "etc", &err), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_timer");
	TCase *t = tcase_create("past");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, releases_that_are_held_are_remembered);
	tcase_add_test(t, only_a_release_that_failed_is_blamed);
	tcase_add_test(t, only_the_newest_are_held);
	tcase_add_loop_test(t, a_damaged_file_is_an_error, 0,
			    (int)(sizeof(damaged) / sizeof(damaged[0])));
	tcase_add_test(t, what_enables_the_timer_is_on_disk);
	suite_add_tcase(s, t);
	return suite_run(s);
}
