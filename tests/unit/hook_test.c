// SPDX-License-Identifier: Apache-2.0
/* libs/hook: what a hook is given, and what becomes of one that fails or hangs. */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "hook/hook.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static char dir[64];

static void setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)str_print(dir, sizeof(dir), "/tmp/kata-hook-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	struct err err = ERR_INIT;

	ck_assert_msg(path_remove_tree(dir, &err) == 0, "%s", err.msg);
}

static struct oci_pair annotations[] = { { (char[]){ "k" }, (char[]){ "v \"quoted\"" } } };

/* Hooks that are shell scripts, one per argument, run as the list "poststart". */
static int run(char *const *scripts, int64_t timeout, struct err *err)
{
	struct oci_hook hooks[4] = { 0 };
	char **argv[4] = { NULL };
	AUTO(strv) char **env = NULL;
	struct oci_spec spec = { .version = (char *)"1.1.0",
				 .annotations = annotations,
				 .n_annotations = 1 };
	struct hook_state state = { "c1", "/bundle", "created", 42, &spec };
	struct oci_hook_list list = { hooks, 0 };
	int result;

	strv_pushf(&env, "OUT=%s", dir);
	strv_each(script, scripts) {
		size_t i = list.n++;

		strv_push(&argv[i], "named");
		strv_push(&argv[i], "-c");
		strv_push(&argv[i], *script);
		hooks[i] = (struct oci_hook){ (char *)"/bin/sh", argv[i], env, { 0 } };
		if (timeout)
			hooks[i].timeout = (struct oci_i64){ true, timeout };
	}
	result = hooks_run(&list, "poststart", &state, 20, NULL, err);
	for (size_t i = 0; i < list.n; i++)
		strv_free(argv[i]);
	return result;
}

static char *contents(const char *name)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(buf) struct buf b = BUF_INIT(65536);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 65536, &b, &err) == 0, "%s", err.msg);
	return buf_steal(&b);
}

START_TEST(state_arrives_on_stdin)
{
	char *scripts[] = { (char[]){ "cat >$OUT/state; echo $0 >$OUT/name; env >$OUT/env" },
			    NULL };
	struct err err = ERR_INIT;

	ck_assert_msg(run(scripts, 0, &err) == 0, "%s", err.msg);
	AUTO(str) char *text = contents("state");
	AUTO(json) struct json *j = json_parse(text, strlen(text), "state", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_str_eq(json_text(json_get(j, "ociVersion")), "1.1.0");
	ck_assert_str_eq(json_text(json_get(j, "id")), "c1");
	ck_assert_str_eq(json_text(json_get(j, "status")), "created");
	ck_assert_str_eq(json_text(json_get(j, "bundle")), "/bundle");
	ck_assert_int_eq(json_int(json_get(j, "pid")), 42);
	ck_assert_str_eq(json_text(json_get(json_get(j, "annotations"), "k")), "v \"quoted\"");
	AUTO(str) char *env = contents("env");
	ck_assert(strstr(env, "OUT=") != NULL && strstr(env, "HOME=") == NULL);
}
END_TEST

START_TEST(the_first_failure_ends_the_list)
{
	char *scripts[] = { (char[]){ "echo 1 >>$OUT/order" },
			    (char[]){ "echo 2 >>$OUT/order; echo went wrong >&2; exit 3" },
			    (char[]){ "echo 3 >>$OUT/order" }, NULL };
	struct err err = ERR_INIT;

	ck_assert_int_lt(run(scripts, 0, &err), 0);
	ck_assert_int_eq(err.code, E_HOOK);
	ck_assert_msg(strstr(err.msg, "poststart hook /bin/sh") && strstr(err.msg, "went wrong"),
		      "%s", err.msg);
	AUTO(str) char *order = contents("order");
	ck_assert_str_eq(order, "1\n2\n");
}
END_TEST

START_TEST(a_hook_that_hangs_is_killed)
{
	char *scripts[] = { (char[]){ "echo $$ >$OUT/pid; exec sleep 60" }, NULL };
	struct err err = ERR_INIT;
	uint64_t start = clock_ms();

	ck_assert_int_lt(run(scripts, 1, &err), 0);
	ck_assert_uint_ge(clock_ms() - start, 1000);
	ck_assert_uint_lt(clock_ms() - start, 15000);
	ck_assert_int_eq(err.code, E_HOOK);
	ck_assert_msg(strstr(err.msg, "the limit is 1 s") != NULL, "%s", err.msg);
	AUTO(str) char *pid = contents("pid");
	ck_assert(kill((pid_t)strtol(pid, NULL, 10), 0) < 0 && errno == ESRCH);
}
END_TEST

START_TEST(a_hook_need_not_read_its_stdin)
{
	char *scripts[] = { (char[]){ "exec <&-; exit 0" }, NULL };
	struct err err = ERR_INIT;

	ck_assert_msg(run(scripts, 0, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(what_cannot_be_run_is_refused)
{
	static const struct oci_spec spec = { .version = NULL };
	static const struct hook_state state = { "c1", "/bundle", "stopped", 0, &spec };
	struct oci_hook cases[] = {
		{ NULL, NULL, NULL, { 0 } },
		{ (char[]){ "true" }, NULL, NULL, { 0 } },
		{ (char[]){ "/nonexistent/hook" }, NULL, NULL, { 0 } },
		{ (char[]){ "/bin/true" }, NULL, NULL, { true, 0 } },
		{ (char[]){ "/bin/true" }, NULL, NULL, { true, -1 } },
	};
	struct oci_hook_list list = { &cases[_i], 1 };
	struct err err = ERR_INIT;

	ck_assert_int_lt(hooks_run(&list, "poststop", &state, 5, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_HOOK);
	ck_assert(str_starts(err.msg, "poststop hook "));
}
END_TEST

START_TEST(no_hooks_is_success)
{
	static const struct oci_hook_list none = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(hooks_run(&none, "prestart", NULL, 1, NULL, &err), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hook");
	TCase *tc = tcase_create("hook");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, state_arrives_on_stdin);
	tcase_add_test(tc, the_first_failure_ends_the_list);
	tcase_add_test(tc, a_hook_that_hangs_is_killed);
	tcase_add_test(tc, a_hook_need_not_read_its_stdin);
	tcase_add_loop_test(tc, what_cannot_be_run_is_refused, 0, 5);
	tcase_add_test(tc, no_hooks_is_success);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
