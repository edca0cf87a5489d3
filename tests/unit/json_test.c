// SPDX-License-Identifier: Apache-2.0
/* libs/json: invalid documents, numbers above INT64_MAX, and texts that look like numbers. */

#include "tests/unit/suite.h"

#include "base/scope.h"
#include "base/str.h"
#include "json/json.h"

#include <check.h>
#include <string.h>

static struct json *parse(const char *text)
{
	struct err err = ERR_INIT;
	struct json *j = json_parse(text, strlen(text), "test", &err);

	ck_assert_msg(j != NULL, "%s", err.msg);
	return j;
}

START_TEST(what_is_wrong_is_refused)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{ "", E_INVALID },
		{ "7", E_INVALID },
		{ "{\"a\":1,\"a\":2}", E_INVALID },
		{ "[\"\\u0000\"]", E_INVALID },
		{ "[\"\x01\"]", E_INVALID },
		{ "[\"\xff\"]", E_INVALID },
		{ "[1] x", E_INVALID },
		{ "[18446744073709551616]", E_INVALID },
		{ "[-9223372036854775809]", E_INVALID },
	};
	struct err err = ERR_INIT;

	ck_assert_ptr_null(json_parse(cases[_i].text, strlen(cases[_i].text), "test", &err));
	ck_assert_int_eq(err.code, cases[_i].code);
}
END_TEST

START_TEST(nesting_is_limited)
{
	char text[300];
	struct err err = ERR_INIT;

	memset(text, '[', 128);
	memset(text + 128, ']', 128);
	AUTO(json) struct json *j = json_parse(text, 256, "test", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	memset(text, '[', 129);
	memset(text + 129, ']', 129);
	ck_assert_ptr_null(json_parse(text, 258, "test", &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(large_numbers_stay_numbers)
{
	static const char text[] = "[9223372036854775807,9223372036854775808,"
				   "18446744073709551615,-9223372036854775808]";
	AUTO(json) struct json *j = parse(text);
	AUTO(str) char *again = json_format(j, false);
	uint64_t v;

	ck_assert_str_eq(again, text);
	ck_assert_int_eq(json_kind(json_at(j, 2)), JSON_IS_INT);
	ck_assert(json_u64(json_at(j, 2), &v) == 0 && v == UINT64_MAX);
	ck_assert_int_eq(json_int(json_at(j, 2)), INT64_MAX);
	ck_assert_int_lt(json_u64(json_at(j, 3), &v), 0);
}
END_TEST

/* Numbers above INT64_MAX are marked strings inside. A text with that mark must not be printed
 * without quotes: the second one would add a member. */
START_TEST(no_text_is_a_number)
{
	static const char *const cases[] = {
		"\x01u64:7",   "A=\"\x01u64:x\",\"cwd\":\"/", "\x01", "\x01s", "\x01\x01u64:1",
		"\\\x01u64:1",
	};
	const char *text = cases[_i];
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "value", json_make_string(text));
	json_put(j, text, json_make_int(1));
	ck_assert_str_eq(json_text(json_get(j, "value")), text);
	AUTO(str) char *printed = json_format(j, false);
	AUTO(json) struct json *again = parse(printed);
	ck_assert_uint_eq(json_count(again), 2);
	ck_assert_int_eq(json_kind(json_get(again, "value")), JSON_IS_STRING);
	ck_assert_str_eq(json_text(json_get(again, "value")), text);
	ck_assert_ptr_nonnull(json_get(again, text));
	ck_assert_str_eq(json_key(json_after(again, json_begin(again))), text);
}
END_TEST

START_TEST(invalid_utf8_is_replaced)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "\xff", json_make_string("a\xfe\xc3\xa9\xc3"));
	ck_assert_ptr_nonnull(json_get(j, "?"));
	ck_assert_str_eq(json_text(json_get(j, "?")), "a?\xc3\xa9?");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_add_loop_test(tc, what_is_wrong_is_refused, 0, 9);
	tcase_add_test(tc, nesting_is_limited);
	tcase_add_test(tc, large_numbers_stay_numbers);
	tcase_add_loop_test(tc, no_text_is_a_number, 0, 6);
	tcase_add_test(tc, invalid_utf8_is_replaced);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
