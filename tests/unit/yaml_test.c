// SPDX-License-Identifier: Apache-2.0
/* libs/yaml: errors and their places, the types of scalars, and printing. */

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/suite.h"
#include "yaml/yaml.h"

#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static struct err err;

static void setup(void)
{
	err_clear(&err);
}

START_TEST(what_is_wrong_is_refused)
{
	static const struct {
		const char *text;
		const char *where; /* how the message begins */
	} cases[] = {
		{ "", "t:1:1: " },
		{ "# nothing\n", "t:2:1: " },
		{ "a: &x 1\n", "t:1:4: anchors" },
		{ "a: &x [1]\n", "t:1:4: anchors" },
		{ "&x a: 1\n", "t:1:1: anchors" },
		{ "a: &x {b: 1}\n", "t:1:4: anchors" },
		{ "a: *x\n", "t:1:4: aliases" },
		{ "*x : 1\n", "t:1:1: aliases" },
		{ "a: !!str 1\n", "t:1:4: tags" },
		{ "a: ! 1\n", "t:1:4: tags" },
		{ "a: !x [1]\n", "t:1:4: tags" },
		{ "!x {a: 1}\n", "t:1:1: tags" },
		{ "a: !<tag:yaml.org,2002:int> 1\n", "t:1:4: tags" },
		{ "a: 1\nb:\n  <<: {c: 1}\n", "t:3:3: merge" },
		{ "%YAML 1.2\n---\na: 1\n", "t:1:1: directives" },
		{ "%TAG ! tag:x,2000:\n---\na: 1\n", "t:1:1: directives" },
		{ "a: 1\n---\nb: 1\n", "t:2:1: more than one" },
		{ "a: 1\n...\n---\nb: 1\n", "t:3:1: more than one" },
		{ "a: 1\nb: 2\na: 3\n", "t:3:1: duplicate key" },
		{ "{a: 1, \"a\": 2}\n", "t:1:8: duplicate key" },
		{ "1: a\n", "t:1:1: a key that is not" },
		{ "true: a\n", "t:1:1: a key that is not" },
		{ "~: a\n", "t:1:1: a key that is not" },
		{ "? [a]\n: b\n", "t:1:5: a key that is not" },
		{ "a: 18446744073709551616\n", "t:1:4: a number of more" },
		{ "a: -9223372036854775809\n", "t:1:4: a number of more" },
		{ "a: 99999999999999999999999999999999999999\n", "t:1:4: a number of more" },
		{ "a: 0644\n", "t:1:4: a number that begins with 0" },
		{ "a: -01\n", "t:1:4: a number that begins with 0" },
		{ "a: \"\\0\"\n", "t:1:4: U+0000" },
		{ "a: 1\nb: \xff\n", "t:2:4: " },
		{ "a: \xc0\x80\n", "t:1:4: " },
		{ "a: \xed\xa0\x80\n", "t:1:4: " },
		{ "a: \x01\n", "t:1:4: " },
		{ "\xff\xfe"
		  "a",
		  "t:1:1: " },
		{ "a: \"\\ud800\"\n", "t:1:" },
		{ "a: [1\n", "t:2:1: " },
		{ "a: b: c\n", "t:1:5: " },
		{ "a: 1\n\tb: 2\n", "t:2:1: " },
		{ "a: \"x\n", "t:2:1: " },
	};

	ck_assert_uint_le(ARRAY_LEN(cases), 40);
	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	ck_assert_ptr_null(yaml_parse(cases[_i].text, strlen(cases[_i].text), "t", &err));
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_msg(str_starts(err.msg, cases[_i].where), "'%s': %s", cases[_i].text, err.msg);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	ck_assert_ptr_null(yaml_parse("a: b\0c\n", 7, "t", &err));
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* Nesting by flow and by block, of mappings and of sequences. */
START_TEST(depth_is_limited)
{
	static const char *const step[] = { "[", "{a: ", "- ", "? " };

	static const unsigned depths[] = { YAML_DEPTH, YAML_DEPTH + 1, 100 * YAML_DEPTH };

	for (size_t d = 0; d < ARRAY_LEN(depths); d++) {
		unsigned depth = depths[d];
		AUTO(buf) struct buf text = BUF_INIT(1 << 20);
		AUTO(json) struct json *j = NULL;

		for (unsigned i = 0; i < depth; i++)
			buf_str(&text, step[_i]);
		buf_str(&text, "x");
		for (unsigned i = 0; i < depth && _i < 2; i++)
			buf_chr(&text, _i == 0 ? ']' : '}');
		j = yaml_parse(text.data, text.len, "t", &err);
		if (depth > YAML_DEPTH) {
			ck_assert_ptr_null(j);
			ck_assert_int_eq(err.code, E_LIMIT);
		} else if (_i < 3) {
			ck_assert_msg(j != NULL, "%s", err.msg);
		}
		err_clear(&err);
	}
}
END_TEST

START_TEST(values_are_limited)
{
	AUTO(buf) struct buf text = BUF_INIT(16 << 20);

	for (unsigned i = 0; i <= YAML_VALUES; i++)
		buf_str(&text, "- 1\n");
	ck_assert_ptr_null(yaml_parse(text.data, text.len, "t", &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(scalars_have_types)
{
	static const struct {
		const char *yaml, *json;
	} cases[] = {
		{ "null", "null" },
		{ "~", "null" },
		{ "a:", "{\"a\":null}" },
		{ "true", "true" },
		{ "FALSE", "false" },
		{ "yes", "\"yes\"" },
		{ "tRUE", "\"tRUE\"" },
		{ "7", "7" },
		{ "+7", "7" },
		{ "-7", "-7" },
		{ "0", "0" },
		{ "18446744073709551615", "18446744073709551615" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "1.5", "\"1.5\"" },
		{ "0x10", "\"0x10\"" },
		{ "1e3", "\"1e3\"" },
		{ "3.10.0", "\"3.10.0\"" },
		{ "2026-11-24", "\"2026-11-24\"" },
		{ "-", "[null]" },
		{ "\"7\"", "\"7\"" },
		{ "'null'", "\"null\"" },
		{ "\"\"", "\"\"" },
		{ "|\n  a\n  b\n", "\"a\\nb\\n\"" },
		{ "{\"<<\": 1}", "{\"<<\":1}" },
		{ "b: 1\na: [x, {c: d}]\n", "{\"b\":1,\"a\":[\"x\",{\"c\":\"d\"}]}" },
		{ "--- # one\na\n...\n", "\"a\"" },
		{ "a: \"\\u00e9\\U0001F600\"", "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}" },
	};

	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	AUTO(json)
	struct json *j = yaml_parse(cases[_i].yaml, strlen(cases[_i].yaml), "t", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	AUTO(str) char *text = json_format(j, false);
	ck_assert_str_eq(text, cases[_i].json);
}
END_TEST

/* The exact text that is printed, which parses to the same value. */
START_TEST(text_is_fixed_and_comes_back)
{
	static const struct {
		const char *json, *yaml;
	} cases[] = {
		{ "{\"b\":1,\"a\":\"x\"}", "b: 1\na: x\n" },
		{ "[1,[2,[3]],{\"a\":[4]}]", "- 1\n- - 2\n  - - 3\n- a:\n    - 4\n" },
		{ "{\"files\":[{\"path\":\"bin/a\",\"size\":3},{\"path\":\"b\"}]}",
		  "files:\n  - path: bin/a\n    size: 3\n  - path: b\n" },
		{ "{\"a\":{},\"b\":[],\"c\":null,\"d\":true}", "a: {}\nb: []\nc: null\nd: true\n" },
		{ "{}", "{}\n" },
		{ "[18446744073709551615,-1]", "- 18446744073709551615\n- -1\n" },
		{ "[\"3.10.0\",\"3.10\",\"0644\",\"7\",\"1e5\",\"0x1f\",\"2026-11-24\"]",
		  ("- \"3.10.0\"\n- \"3.10\"\n- \"0644\"\n- \"7\"\n- \"1e5\"\n- \"0x1f\"\n"
		   "- \"2026-11-24\"\n") },
		{ "[\"2026-11-24T01:02:03Z\",\"0a1b2c\",\"3.10.0-rc1\",\"a: b\",\"a:b\",\"a:\"]",
		  ("- 2026-11-24T01:02:03Z\n- 0a1b2c\n- 3.10.0-rc1\n- \"a: b\"\n- a:b\n"
		   "- \"a:\"\n") },
		{ "[\"yes\",\"No\",\"null\",\"true\",\"~\",\"\",\" a\",\"a \",\"-\",\"<<\"]",
		  ("- \"yes\"\n- \"No\"\n- \"null\"\n- \"true\"\n- \"~\"\n- \"\"\n- \" a\"\n"
		   "- \"a \"\n- \"-\"\n- \"<<\"\n") },
		{ "[\"a #b\",\"a\\nb\\tc\",\"\\\"\\\\\",\"\\u0001\\u007f\",\"\xc3\xa9\"]",
		  ("- \"a #b\"\n- \"a\\nb\\tc\"\n- \"\\\"\\\\\"\n- \"\\u0001\\u007f\"\n"
		   "- \"\xc3\xa9\"\n") },
		{ "[\"\\u2028\\ufeff\\u0085\"]", "- \"\\u2028\\ufeff\\u0085\"\n" },
		{ "{\"a b\":1,\"yes\":2,\"7\":3}", "a b: 1\n\"yes\": 2\n\"7\": 3\n" },
		{ "[[],[{}],{\"a\":{\"b\":{\"c\":1}}}]",
		  "- []\n- - {}\n- a:\n    b:\n      c: 1\n" },
	};
	AUTO(buf) struct buf text = BUF_INIT(1 << 16);

	if ((size_t)_i >= ARRAY_LEN(cases))
		return;
	AUTO(json)
	struct json *j = json_parse(cases[_i].json, strlen(cases[_i].json), "t", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_int_eq(yaml_format(j, &text, &err), 0);
	ck_assert_str_eq(text.data, cases[_i].yaml);
	AUTO(json) struct json *again = yaml_parse(text.data, text.len, "t", &err);
	ck_assert_msg(again != NULL, "%s", err.msg);
	AUTO(str) char *one = json_format(j, false), *other = json_format(again, false);
	ck_assert_str_eq(one, other);
}
END_TEST

START_TEST(what_would_not_come_back_is_not_written)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 16);
	AUTO(json) struct json *j = NULL;
	enum err_code code = E_LIMIT;

	if (_i == 0) {
		j = json_make_real(1.5);
		code = E_INVALID;
	} else if (_i == 1) {
		AUTO(str) char *key = xcalloc(1, YAML_KEY_MAX + 2);

		memset(key, 'k', YAML_KEY_MAX + 1);
		j = json_make_object();
		json_put(j, key, json_make_null());
	} else if (_i == 2) {
		j = json_make_int(1);
		for (unsigned i = 0; i <= YAML_DEPTH; i++) {
			struct json *outer = json_make_array();

			json_add(outer, j);
			j = outer;
		}
	} else {
		j = json_make_string("longer than the buffer");
		text.max = 4;
	}
	ck_assert_int_lt(yaml_format(j, &text, &err), 0);
	ck_assert_int_eq(err.code, code);
}
END_TEST

/* A manifest of 20 000 files. */
START_TEST(a_large_manifest_is_cheap)
{
	AUTO(buf) struct buf text = BUF_INIT(16 << 20);
	struct rusage before, after;
	clock_t start;

	buf_str(&text, "files:\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_fmt(&text,
			"  - path: share/kata-containers/dir%u/file-%u.so\n    component: runtime\n"
			"    mode: \"0444\"\n    size: %u\n    sha256: %064x\n",
			i / 100, i, 1000 + i, i + 0xabcdef);
	ck_assert(!text.over);
	(void)getrusage(RUSAGE_SELF, &before);
	start = clock();
	AUTO(json) struct json *j = yaml_parse(text.data, text.len, "t", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_uint_eq(json_count(json_get(j, "files")), 20000);
	(void)getrusage(RUSAGE_SELF, &after);
	ck_assert(SANITIZED || after.ru_maxrss - before.ru_maxrss < 64 << 10);
	ck_assert(SANITIZED || clock() - start < 2 * CLOCKS_PER_SEC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("yaml");
	TCase *t = tcase_create("yaml");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, what_is_wrong_is_refused, 0, 40);
	tcase_add_test(t, a_nul_byte_is_refused);
	tcase_add_loop_test(t, depth_is_limited, 0, 4);
	tcase_add_test(t, values_are_limited);
	tcase_add_loop_test(t, scalars_have_types, 0, 27);
	tcase_add_loop_test(t, text_is_fixed_and_comes_back, 0, 13);
	tcase_add_loop_test(t, what_would_not_come_back_is_not_written, 0, 4);
	tcase_add_test(t, a_large_manifest_is_cheap);
	suite_add_tcase(s, t);
	return suite_run(s);
}
