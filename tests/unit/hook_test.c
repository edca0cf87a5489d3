// SPDX-License-Identifier: Apache-2.0
/* libs/hook: order, state, failure, time-out. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "hook/hook.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];

static void setup(void)
{
	scratch_make(dir, "hook");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static struct oci_hook shell(const char *script, int64_t timeout)
{
	static char path[] = "/bin/sh";
	struct oci_hook h = { .path = path };

	strv_push(&h.args, "hook");
	strv_push(&h.args, "-c");
	strv_push(&h.args, script);
	strv_push(&h.env, "WORD=from env");
	if (timeout)
		h.timeout = (struct oci_i64){ true, timeout };
	return h;
}

/* Runs hooks until one fails; without err, runs all and returns the number of failures. */
static int run(struct oci_hook *hooks, size_t n, struct err *err)
{
	static char key[] = "a.key", value[] = "a value", version[] = "1.0.2";
	struct oci_pair annotation = { key, value };
	struct oci_spec spec = { .version = version,
				 .annotations = &annotation,
				 .n_annotations = 1 };
	struct hook_state state = { "c1", "/bundle", "creating", 42, &spec };
	struct oci_hook_list list = { hooks, n };
	int r = err ? hooks_run(&list, "prestart", &state, 10, NULL, err)
		    : (int)hooks_run_all(&list, "poststart", &state, 10, NULL);

	for (size_t i = 0; i < n; i++) {
		strv_free(hooks[i].args);
		strv_free(hooks[i].env);
	}
	return r;
}

static void expect_file(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(buf) struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 4096, &b, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&b), text);
}

START_TEST(hooks_run_in_order_with_the_state)
{
	AUTO(str) char *first = str_fmt("cat > %s/state; echo \"$0 $WORD\" > %s/log", dir, dir);
	AUTO(str) char *second = str_fmt("echo second >> %s/log", dir);
	struct oci_hook hooks[] = { shell(first, 0), shell(second, 0) };
	struct err err = ERR_INIT;

	ck_assert_msg(run(hooks, 2, &err) == 0, "%s", err.msg);
	expect_file("log", "hook from env\nsecond\n");
	expect_file("state", "{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"creating\","
			     "\"pid\":42,\"bundle\":\"/bundle\","
			     "\"annotations\":{\"a.key\":\"a value\"}}");
}
END_TEST

START_TEST(a_failure_ends_the_list_and_says_why)
{
	AUTO(str) char *second = str_fmt("echo > %s/log", dir);
	struct oci_hook hooks[] = { shell("echo because >&2; exit 7", 0), shell(second, 0) };
	struct err err = ERR_INIT;

	ck_assert_int_eq(run(hooks, 2, &err), -1);
	ck_assert_int_eq(err.code, E_HOOK);
	ck_assert_ptr_nonnull(strstr(err.msg, "prestart"));
	ck_assert_ptr_nonnull(strstr(err.msg, "7"));
	ck_assert_ptr_nonnull(strstr(err.msg, "because"));
	AUTO(str) char *log = path_join(dir, "log");
	ck_assert(!path_exists(log));
}
END_TEST

START_TEST(late_hooks_run_whatever_happened_before)
{
	AUTO(str) char *first = str_fmt("echo first >> %s/log; exit 3", dir);
	AUTO(str) char *last = str_fmt("echo last >> %s/log", dir);
	static char missing[] = "/no/such/hook";
	struct oci_hook hooks[] = { shell(first, 0), { .path = missing }, shell(last, 0) };

	ck_assert_int_eq(run(hooks, 3, NULL), 2);
	expect_file("log", "first\nlast\n");
}
END_TEST

START_TEST(a_hanging_hook_is_killed)
{
	struct oci_hook hooks[] = { shell("exec sleep 60", 1) };
	struct err err = ERR_INIT;
	uint64_t began = clock_ms();

	ck_assert_int_eq(run(hooks, 1, &err), -1);
	ck_assert_int_eq(err.code, E_HOOK);
	ck_assert_uint_lt(clock_ms() - began, 20000);
}
END_TEST

START_TEST(bad_hooks_are_refused)
{
	static char relative[] = "sh", missing[] = "/no/such/hook";
	struct oci_hook hooks[] = { { .path = relative }, { .path = missing } };
	struct err err = ERR_INIT;

	ck_assert_int_eq(run(&hooks[0], 1, &err), -1);
	ck_assert_int_eq(err.code, E_HOOK);
	err_clear(&err);
	ck_assert_int_eq(run(&hooks[1], 1, &err), -1);
	ck_assert_int_eq(err.code, E_HOOK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hook");
	TCase *tests = tcase_create("hook");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, hooks_run_in_order_with_the_state);
	tcase_add_test(tests, a_failure_ends_the_list_and_says_why);
	tcase_add_test(tests, late_hooks_run_whatever_happened_before);
	tcase_add_test(tests, a_hanging_hook_is_killed);
	tcase_add_test(tests, bad_hooks_are_refused);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
