// SPDX-License-Identifier: Apache-2.0
/* URIs of streams: what a logging program gets as its arguments, and which file is opened. */

#include "tests/unit/suite.h"

#include "shim/io/uri.h"

#include "base/str.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *text, *scheme, *path;
	const char *query[8];
} good[] = {
	{ "/run/fifo", "fifo", "/run/fifo", { NULL } },
	{ "/run/a%41?b=c", "fifo", "/run/a%41?b=c", { NULL } },
	{ "fifo:///run/fifo", "fifo", "/run/fifo", { NULL } },
	{ "file:///var/a%20b#c", "file", "/var/a b", { NULL } },
	{ "binary:///bin/log", "binary", "/bin/log", { NULL } },
	{ "binary:///bin/log?", "binary", "/bin/log", { NULL } },
	{ "binary://host/bin/log?a", "binary", "/bin/log", { "a", "" } },
	{ "binary:///bin/log?a=b&c", "binary", "/bin/log", { "a", "b", "c", "" } },
	{ "binary:///bin/log?--to=http%3A%2F%2Fx%2F%3Fq%3D1%26r&x=a=b+c",
	  "binary",
	  "/bin/log",
	  { "--to", "http://x/?q=1&r", "x", "a=b c" } },
	{ "binary:///bin/log?a=1&a=2&&b=%c3%A9#d=e", "binary", "/bin/log", { "a", "1", "b", "é" } },
	{ "binary:///bin/log?a=%zz&b=1;2&c=%4&d=%00&e=5", "binary", "/bin/log", { "e", "5" } },
};

START_TEST(a_uri_is_decoded)
{
	struct err err = ERR_INIT;
	AUTO(uri) struct uri u = URI_INIT;
	size_t n = 0;

	ck_assert_msg(uri_parse(good[_i].text, &u, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(u.scheme, good[_i].scheme);
	ck_assert_str_eq(u.path, good[_i].path);
	for (; u.query && u.query[n]; n++) {
		ck_assert_ptr_nonnull(good[_i].query[n]);
		ck_assert_str_eq(u.query[n], good[_i].query[n]);
	}
	ck_assert_ptr_null(good[_i].query[n]);
}
END_TEST

static const char *const bad[] = { "binary://", "binary://host", "file:///a%2", "file:///a%zz" };

START_TEST(a_uri_without_a_path_is_refused)
{
	struct err err = ERR_INIT;
	struct uri u = URI_INIT;

	ck_assert_int_lt(uri_parse(bad[_i], &u, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_msg(strstr(err.msg, bad[_i]) != NULL, "%s", err.msg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shim, URIs");
	TCase *t = tcase_create("uri");

	tcase_add_loop_test(t, a_uri_is_decoded, 0, ARRAY_LEN(good));
	tcase_add_loop_test(t, a_uri_without_a_path_is_refused, 0, ARRAY_LEN(bad));
	suite_add_tcase(s, t);
	return suite_run(s);
}
