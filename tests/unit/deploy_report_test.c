// SPDX-License-Identifier: Apache-2.0
/* The patches of a node object (deploy/report/wish.c), and the options of the pace. tests/report
 * has the rest. */

#include "tests/unit/suite.h"

#include "base/str.h"
#include "deploy/report/report-internal.h"

#include <check.h>
#include <string.h>

#define P REPORT_PREFIX

static struct err err;

static void setup(void)
{
	err_clear(&err);
}

static struct json *parsed(const char *text)
{
	struct json *j = json_parse(text, strlen(text), "node", &err);

	ck_assert_msg(j != NULL, "%s: %s", err.msg, text);
	return j;
}

static const char *const no_taints[] = { NULL };
static const char *const some_taints[] = { "start", "other=x:NoExecute", NULL };

#define NODE(labels, notes) "{\"metadata\":{\"labels\":{" labels "},\"annotations\":{" notes "}}}"
#define SHARED(v)           "\"katacontainers.io/kata-runtime\":\"" v "\""
#define OWN(v)              "\"" P "default\":\"" v "\""
#define OTHER(v)            "\"" P "two\":\"" v "\""
#define SET                 "\"" P "kata-runtime.set-by\":\"kata-deploy\""
#define SET_OWN             "\"" P "default.set-by\":\"kata-deploy\""
#define V                   "\"" P "default.version\":\"1\""
#define GONE_OWN            "\"" P "default\":null"

static const struct {
	const char *name, *node;
	bool gone;
	const char *value, *patch; /* NULL: none */
	bool foreign;
} wishes[] = {
	{ "nothing is known", NODE("\"a\":\"b\"", ""), false, NULL, NULL, false },
	{ "claimed", "{\"metadata\":{}}", false, "false",
	  "{\"metadata\":{\"labels\":{" OWN("false") "," SHARED(
		  "false") "},\"annotations\":{" SET_OWN "," SET "," V "}}}",
	  false },
	{ "proved", NODE(OWN("false") "," SHARED("false"), SET_OWN "," SET "," V), false, "true",
	  "{\"metadata\":{\"labels\":{" OWN("true") "," SHARED("true") "}}}", false },
	{ "it is so", NODE(OWN("true") "," SHARED("true"), SET_OWN "," SET "," V), false, "true",
	  NULL, false },
	{ "a kubelet has taken the labels away", NODE("", SET_OWN "," SET "," V), false, "true",
	  "{\"metadata\":{\"labels\":{" OWN("true") "," SHARED("true") "}}}", false },
	{ "somebody else's label", NODE(SHARED("false"), V), false, "true",
	  "{\"metadata\":{\"labels\":{" OWN("true") "},\"annotations\":{" SET_OWN "}}}", true },
	{ "both are somebody else's", NODE(SHARED("true") "," OWN("x"), V), false, "false", NULL,
	  true },
	{ "another instance is ready", NODE(SHARED("true") "," OTHER("true"), SET "," V), false,
	  "false", "{\"metadata\":{\"labels\":{" OWN("false") "},\"annotations\":{" SET_OWN "}}}",
	  false },
	{ "another instance is not", NODE(SHARED("false") "," OTHER("false"), SET "," V), false,
	  "true",
	  "{\"metadata\":{\"labels\":{" OWN("true") "," SHARED("true") "},\"annotations\":{" SET_OWN
								       "}}}",
	  false },
	{ "gone", NODE("\"a\":\"b\"," OWN("true") "," SHARED("true"), SET_OWN "," SET "," V), true,
	  NULL,
	  "{\"metadata\":{\"labels\":{" GONE_OWN
	  ",\"katacontainers.io/kata-runtime\":null},\"annotations\":{\"" P
	  "default.set-by\":null,\"" P "kata-runtime.set-by\":null,\"" P
	  "default.version\":null}}}",
	  false },
	{ "gone already", NODE("\"a\":\"b\"", ""), true, NULL, NULL, false },
	{ "gone, and another is ready",
	  NODE(OWN("true") "," SHARED("true") "," OTHER("true"), SET_OWN "," SET), true, NULL,
	  "{\"metadata\":{\"labels\":{" GONE_OWN "},\"annotations\":{\"" P
	  "default.set-by\":null}}}",
	  false },
	{ "gone, and another is not",
	  NODE(OWN("true") "," SHARED("true") "," OTHER("false"), SET_OWN "," SET), true, NULL,
	  "{\"metadata\":{\"labels\":{" GONE_OWN "," SHARED("false") "},\"annotations\":{\"" P
								     "default.set-by\":null}}}",
	  false },
	{ "gone, and a label is somebody else's", NODE(SHARED("true"), ""), true, NULL, NULL,
	  false },
};

START_TEST(a_patch_has_only_the_labels_that_differ)
{
	AUTO(json) struct json *node = parsed(wishes[_i].node), *patch = NULL;
	struct wish w = { .instance = "default",
			  .gone = wishes[_i].gone,
			  .value = wishes[_i].value,
			  .version = "1" };
	AUTO(str) char *text = NULL;

	patch = wish_patch(&w, node);
	text = patch ? json_format(patch, false) : NULL;
	ck_assert_msg(str_eq(text, wishes[_i].patch), "%s: %s", wishes[_i].name, text);
	ck_assert_msg(w.foreign == wishes[_i].foreign, "%s", wishes[_i].name);
}
END_TEST

#define TAINTS(list)   "{\"spec\":{\"taints\":[" list "]}}"
#define TAINT(k, v, e) "{\"key\":\"" k "\",\"value\":\"" v "\",\"effect\":\"" e "\"}"

static const struct {
	const char *node, *patch;
	bool none;
} taints[] = {
	{ TAINTS(TAINT("a", "", "NoSchedule")), NULL, false },
	{ "{}", NULL, false },
	{ "{\"spec\":{\"taints\":7}}", NULL, false },
	{ TAINTS(TAINT("a", "", "NoSchedule") "," TAINT("start", "v", "NoSchedule")),
	  TAINTS(TAINT("a", "", "NoSchedule")), false },
	{ TAINTS(TAINT("start", "v", "NoSchedule")), TAINTS(""), false },
	{ TAINTS(TAINT("start", "v", "NoSchedule")), NULL, true },
	{ TAINTS(TAINT("other", "x", "NoSchedule") "," TAINT("other", "x", "NoExecute")),
	  TAINTS(TAINT("other", "x", "NoSchedule")), false },
	{ TAINTS(TAINT("other", "y", "NoExecute")), NULL, false },
};

START_TEST(startup_taints_are_removed)
{
	AUTO(json) struct json *node = parsed(taints[_i].node), *patch = NULL;
	struct wish w = { .instance = "default",
			  .taints = (char *const *)(uintptr_t)(taints[_i].none ? no_taints
									       : some_taints) };
	AUTO(str) char *text = NULL;

	patch = wish_patch(&w, node);
	text = patch ? json_format(patch, false) : NULL;
	ck_assert_msg(str_eq(text, taints[_i].patch), "%d: %s", _i, text);
}
END_TEST

#define CONDITION(status, reason, message)                                                      \
	"{\"status\":{\"conditions\":[{\"type\":\"Ready\"},{\"type\":\"KataReady\",\"status\":" \
	"\"" status "\",\"reason\":\"" reason "\",\"message\":\"" message                       \
	"\",\"lastTransitionTime\":\"then\"}]}}"

START_TEST(a_condition_is_patched_when_it_changes)
{
	static const struct {
		const char *node;
		bool patch, news, since;
	} cases[] = {
		{ "{}", true, true, false },
		{ "{\"status\":{\"conditions\":\"x\"}}", true, true, false },
		{ CONDITION("True", "Ready", "m"), false, false, false },
		{ CONDITION("True", "Ready", "n"), true, false, true },
		{ CONDITION("True", "Drifted", "m"), true, true, true },
		{ CONDITION("False", "Failed", "m"), true, true, false },
	};
	struct condition c = { "KataReady", "True", "Ready", "m" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json *node = parsed(cases[i].node), *patch = NULL;
		AUTO(str) char *text = NULL;
		bool news = false;

		patch = condition_patch(&c, node, &news);
		text = patch ? json_format(patch, false) : xstrdup("");
		ck_assert_msg(!!patch == cases[i].patch && news == cases[i].news, "%zu: %s", i,
			      text);
		ck_assert_msg(!!strstr(text, "\"lastTransitionTime\":\"then\"") == cases[i].since,
			      "%zu: %s", i, text);
	}
	AUTO(json)
	struct json *node = parsed(CONDITION("True", "Ready", "m")), *none = parsed("{}");
	AUTO(json) struct json *removal = condition_removal("KataReady", node);
	AUTO(str) char *text = json_format(removal, false);
	ck_assert_str_eq(text, "{\"status\":{\"conditions\":[{\"$patch\":\"delete\",\"type\":"
			       "\"KataReady\"}]}}");
	ck_assert_ptr_null(condition_removal("KataReady", none));
}
END_TEST

START_TEST(limits_are_numbers_or_percentages)
{
	static const struct {
		const char *text;
		uint64_t nodes, limit; /* 0: refused */
	} cases[] = {
		{ "10%", 1000, 100 }, { "10%", 3, 1 }, { "10%", 0, 1 },     { "100%", 7, 7 },
		{ "3", 1000, 3 },     { "0", 10, 0 },  { "0%", 10, 0 },     { "101%", 10, 0 },
		{ "", 10, 0 },        { "%", 10, 0 },  { "10 %", 1000, 0 }, { "-1", 10, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t limit = 0;
		int rc = pace_limit(cases[i].text, cases[i].nodes, &limit, &err);

		ck_assert_msg((rc == 0) == (cases[i].limit != 0), "'%s'", cases[i].text);
		if (rc == 0)
			ck_assert_uint_eq(limit, cases[i].limit);
		err_clear(&err);
	}
}
END_TEST

/* A node program whose state changes all the time. */
START_TEST(rounds_are_limited)
{
	struct report_rate rate = { 0 };
	uint64_t now = 1000000, before = now;
	unsigned n = 0;

	for (int i = 0; i < REPORT_BURST; i++)
		ck_assert_uint_eq(report_rate(&rate, now), 0);
	for (; now < before + 3600 * 1000; n++) {
		uint64_t wait = report_rate(&rate, now);

		ck_assert_uint_le(wait, REPORT_REFILL_MS);
		now += wait ? wait : 1;
	}
	ck_assert_uint_le(n, 3600 * 1000 / REPORT_REFILL_MS + 1);
	/* After a quiet time the full burst is allowed again. */
	now += (uint64_t)REPORT_BURST * REPORT_REFILL_MS * 2;
	for (int i = 0; i < REPORT_BURST; i++)
		ck_assert_uint_eq(report_rate(&rate, now), 0);
	ck_assert_uint_gt(report_rate(&rate, now), 0);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
	static const char *const good[] = { "a", "a.b/c:NoSchedule", "a=b:NoExecute", "a=b", NULL };
	static const char *const bad[] = { "", ":NoSchedule", "a:Never", "a b", "=b" };
	struct report_options o = { .node = "n1",
				    .taints = (char *const *)(uintptr_t)good,
				    .pace = { .at_once = "10%", .failures = 3, .seconds = 60 } };
	static const char *const suffixes[] = { "A", "a.b", "default", "kata-runtime",
						"a234567890123456789012345678901" };

	ck_assert_msg(report_check(&o, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		o.suffix = suffixes[i];
		ck_assert_msg(report_check(&o, &err) < 0, "%s", suffixes[i]);
		ck_assert_int_eq(err.code, E_USAGE);
		err_clear(&err);
	}
	o.suffix = "dev-2";
	ck_assert_int_eq(report_check(&o, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(taint_check(bad[i], &err) < 0, "%s", bad[i]);
		err_clear(&err);
	}
	o.node = NULL;
	ck_assert_int_eq(report_check(&o, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "--node"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_report");
	TCase *t = tcase_create("wish");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, a_patch_has_only_the_labels_that_differ, 0, (int)ARRAY_LEN(wishes));
	tcase_add_loop_test(t, startup_taints_are_removed, 0, (int)ARRAY_LEN(taints));
	tcase_add_test(t, a_condition_is_patched_when_it_changes);
	tcase_add_test(t, limits_are_numbers_or_percentages);
	tcase_add_test(t, wrong_options_are_refused);
	tcase_add_test(t, rounds_are_limited);
	suite_add_tcase(s, t);
	return suite_run(s);
}
