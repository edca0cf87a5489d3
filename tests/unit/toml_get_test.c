// SPDX-License-Identifier: Apache-2.0
/* libs/toml: getters, unknown keys, merging, files, and the positions of tokens. */

#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "toml/toml.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>

static struct err err;
static struct toml_value *conf;

static const char text[] = "name = \"kata\"\n"
			   "debug = true\n"
			   "memory = 2048\n"
			   "ratio = 1.5\n"
			   "args = [\"-a\", \"b c\"]\n"
			   "none = []\n"
			   "mixed = [\"x\", 1]\n"
			   "nul = \"a\\u0000b\"\n"
			   "when = 1979-05-27\n"
			   "[vm]\n"
			   "path = '/usr/bin/qemu'\n"
			   "[[disk]]\n"
			   "id = 1\n"
			   "[[disk]]\n"
			   "id = 2\n";

static struct toml_value *parse(const char *file, const char *document)
{
	struct toml_value *value = toml_parse(file, document, strlen(document), NULL, &err);

	ck_assert_msg(value != NULL, "%s", err.msg);
	return value;
}

static void setup(void)
{
	err_clear(&err);
	conf = parse("c.toml", text);
}

static void teardown(void)
{
	toml_free(conf);
}

static void expect(int rc, const char *message)
{
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(err.code, E_CONFIG);
	ck_assert_str_eq(err.msg, message);
	err_clear(&err);
}

START_TEST(getters_give_values)
{
	AUTO(strv) char **list = NULL, **empty = NULL;
	struct toml_value *vm, *disks;
	const char *string;
	double number;
	int64_t integer;
	bool boolean;

	ck_assert_int_eq(toml_get_string(conf, "name", NULL, &string, &err), 0);
	ck_assert_str_eq(string, "kata");
	ck_assert_int_eq(toml_get_bool(conf, "debug", false, &boolean, &err), 0);
	ck_assert(boolean);
	ck_assert_int_eq(toml_get_int(conf, "memory", 2048, 2048, 1, &integer, &err), 0);
	ck_assert_int_eq(integer, 2048);
	ck_assert_int_eq(toml_get_float(conf, "ratio", 0, &number, &err), 0);
	ck_assert(number == 1.5);
	ck_assert_int_eq(toml_get_float(conf, "memory", 0, &number, &err), 0);
	ck_assert(number == 2048);
	ck_assert_int_eq(toml_get_strings(conf, "args", &list, &err), 0);
	ck_assert_uint_eq(strv_len(list), 2);
	ck_assert_str_eq(list[1], "b c");
	ck_assert_int_eq(toml_get_strings(conf, "none", &empty, &err), 0);
	ck_assert_uint_eq(strv_len(empty), 0);
	ck_assert_int_eq(toml_get_table(conf, "vm", &vm, &err), 0);
	ck_assert_int_eq(toml_get_string(vm, "path", NULL, &string, &err), 0);
	ck_assert_str_eq(string, "/usr/bin/qemu");
	ck_assert_int_eq(toml_get_tables(conf, "disk", &disks, &err), 0);
	ck_assert_uint_eq(disks->array.n, 2);
	ck_assert_int_eq(toml_get_int(disks->array.items[1], "id", 0, 9, 0, &integer, &err), 0);
	ck_assert_int_eq(integer, 2);
}
END_TEST

START_TEST(getters_fall_back)
{
	AUTO(strv) char **list = NULL;
	struct toml_value *vm;
	const char *string;
	double number;
	int64_t integer;
	bool boolean;

	ck_assert_int_eq(toml_get_string(conf, "x", "y", &string, &err), 0);
	ck_assert_str_eq(string, "y");
	ck_assert_int_eq(toml_get_bool(conf, "x", true, &boolean, &err), 0);
	ck_assert(boolean);
	ck_assert_int_eq(toml_get_int(conf, "x", 5, 6, -1, &integer, &err), 0);
	ck_assert_int_eq(integer, -1);
	ck_assert_int_eq(toml_get_float(conf, "x", 0.5, &number, &err), 0);
	ck_assert(number == 0.5);
	ck_assert_int_eq(toml_get_strings(conf, "x", &list, &err), 0);
	ck_assert_ptr_null(list);
	ck_assert_int_eq(toml_get_table(conf, "x", &vm, &err), 0);
	ck_assert_ptr_null(vm);
	ck_assert_int_eq(toml_get_string(vm, "path", "z", &string, &err), 0);
	ck_assert_str_eq(string, "z");
	ck_assert_int_eq(toml_unused(vm, NULL, &err), 0);
}
END_TEST

START_TEST(getters_name_the_place)
{
	char **list = NULL;
	struct toml_value *table;
	const char *string;
	double number;
	int64_t integer;
	bool boolean;

	expect(toml_get_bool(conf, "name", false, &boolean, &err),
	       "c.toml:1: key 'name': expected a boolean, found a string");
	expect(toml_get_string(conf, "debug", NULL, &string, &err),
	       "c.toml:2: key 'debug': expected a string, found a boolean");
	expect(toml_get_int(conf, "memory", 1, 1024, 1, &integer, &err),
	       "c.toml:3: key 'memory': 2048 is not between 1 and 1024");
	expect(toml_get_int(conf, "ratio", 1, 2, 1, &integer, &err),
	       "c.toml:4: key 'ratio': expected an integer, found a float");
	expect(toml_get_float(conf, "when", 1, &number, &err),
	       "c.toml:9: key 'when': expected a number, found a local date");
	expect(toml_get_strings(conf, "mixed", &list, &err),
	       "c.toml:7: key 'mixed': expected an array of strings, found an integer");
	expect(toml_get_strings(conf, "name", &list, &err),
	       "c.toml:1: key 'name': expected an array of strings, found a string");
	expect(toml_get_string(conf, "nul", NULL, &string, &err),
	       "c.toml:8: key 'nul': the string has a NUL byte in it");
	expect(toml_get_table(conf, "disk", &table, &err),
	       "c.toml:12: key 'disk': expected a table, found an array");
	expect(toml_get_tables(conf, "args", &table, &err),
	       "c.toml:5: key 'args': expected an array of tables, found a string");
	expect(toml_get_tables(conf, "vm", &table, &err),
	       "c.toml:10: key 'vm': expected an array of tables, found a table");
	ck_assert_ptr_null(list);
}
END_TEST

START_TEST(unknown_keys_are_errors)
{
	static const char *const known[] = { "path", "memory", NULL };
	AUTO(toml) struct toml_value *vm = parse("d.toml", "path='x'\n\nmemroy=1\n");
	AUTO(toml) struct toml_value *odd = parse("d.toml", "\"z\\u0007zzzzzzz\"=1\n");
	AUTO(toml) struct toml_value *listed = parse("d.toml", "memory=1\n");
	const char *string;

	ck_assert_int_eq(toml_get_string(vm, "path", NULL, &string, &err), 0);
	expect(toml_unused(vm, known, &err),
	       "d.toml:3: unknown key 'memroy'; did you mean 'memory'?");
	expect(toml_unused(vm, NULL, &err), "d.toml:3: unknown key 'memroy'");
	expect(toml_unused(odd, known, &err), "d.toml:1: unknown key 'z?zzzzzzz'");
	ck_assert_int_eq(toml_unused(listed, known, &err), 0);
	expect(toml_unused(listed, NULL, &err), "d.toml:1: unknown key 'memory'");
}
END_TEST

START_TEST(later_files_win)
{
	AUTO(toml)
	struct toml_value *base = parse("base",
					"a=1\nb=[1,2]\n[t]\nx=1\ny=2\n[t.u]\nz=1\n[v]\nw=1\n");
	struct toml_value *over = parse("over", "b=[3]\nn='new'\nv=7\n[t]\ny='two'\n[t.u]\nq=2\n");
	struct toml_value *t, *u;
	AUTO(strv) char **list = NULL;
	bool boolean;

	toml_merge(base, over);
	ck_assert_int_eq(toml_find(base, "a")->integer, 1);
	ck_assert_uint_eq(toml_find(base, "b")->array.n, 1);
	ck_assert_str_eq(toml_find(base, "n")->string.text, "new");
	ck_assert_int_eq(toml_find(base, "v")->integer, 7);
	t = toml_find(base, "t");
	ck_assert_int_eq(toml_find(t, "x")->integer, 1);
	ck_assert_str_eq(toml_file(toml_find(t, "x")), "base");
	ck_assert_str_eq(toml_file(toml_find(t, "y")), "over");
	u = toml_find(t, "u");
	ck_assert_int_eq(toml_find(u, "z")->integer, 1);
	ck_assert_int_eq(toml_find(u, "q")->integer, 2);
	expect(toml_get_bool(t, "y", false, &boolean, &err),
	       "over:5: key 'y': expected a boolean, found a string");
	expect(toml_get_strings(base, "b", &list, &err),
	       "over:1: key 'b': expected an array of strings, found an integer");
}
END_TEST

START_TEST(files_are_loaded)
{
	char file[] = "/tmp/kata-toml-XXXXXX";
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, text, strlen(text), 0600, &err), 0);
	toml_free(conf);
	conf = toml_load(file, &err);
	ck_assert_ptr_nonnull(conf);
	ck_assert_str_eq(toml_file(conf), file);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_ptr_null(toml_load(file, &err));
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

START_TEST(spans_are_bytes)
{
	static const char document[] = "# c\r\n\"a\\t\" . b = '''\nx''' # d";
	static const struct {
		enum toml_token_kind kind;
		const char *bytes;
		unsigned line, column;
	} tokens[] = {
		{ TOML_TOKEN_COMMENT, "# c", 1, 1 },
		{ TOML_TOKEN_NEWLINE, "\r\n", 1, 4 },
		{ TOML_TOKEN_STRING, "\"a\\t\"", 2, 1 },
		{ TOML_TOKEN_DOT, ".", 2, 7 },
		{ TOML_TOKEN_BARE, "b", 2, 9 },
		{ TOML_TOKEN_EQUALS, "=", 2, 11 },
		{ TOML_TOKEN_LONG_STRING, "'''\nx'''", 2, 13 },
		{ TOML_TOKEN_COMMENT, "# d", 3, 6 },
		{ TOML_TOKEN_END, "", 3, 9 },
	};
	AUTO(toml_lexer) struct toml_lexer lx = { 0 };
	struct toml_token t;

	ck_assert_int_eq(toml_lexer_init(&lx, "t", document, strlen(document), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		ck_assert_int_eq(toml_lex(&lx, TOML_AT_KEY, &t, &err), 0);
		ck_assert_int_eq(t.kind, tokens[i].kind);
		ck_assert_uint_eq(t.span.len, strlen(tokens[i].bytes));
		ck_assert_mem_eq(document + t.span.offset, tokens[i].bytes, t.span.len);
		ck_assert_uint_eq(t.span.line, tokens[i].line);
		ck_assert_uint_eq(t.span.column, tokens[i].column);
		if (t.kind == TOML_TOKEN_STRING)
			ck_assert_str_eq(buf_cstr(&lx.value), "a\t");
	}
}
END_TEST

START_TEST(values_know_their_bytes)
{
	static const char document[] = "a = [1, {b = 2}] # x\n[t]\nc = 'd'\n";
	AUTO(toml) struct toml_value *root = parse("t", document);
	const struct toml_value *array = toml_find(root, "a");
	const struct toml_value *c = toml_find(toml_find(root, "t"), "c");

	ck_assert_uint_eq(array->span.offset, 4);
	ck_assert_uint_eq(array->span.len, strlen("[1, {b = 2}]"));
	ck_assert_uint_eq(array->array.items[1]->span.len, strlen("{b = 2}"));
	ck_assert_mem_eq(document + c->span.offset, "'d'", 3);
	ck_assert_uint_eq(c->span.len, 3);
	ck_assert_uint_eq(c->span.line, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("toml_get");
	TCase *c = tcase_create("tree");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, getters_give_values);
	tcase_add_test(c, getters_fall_back);
	tcase_add_test(c, getters_name_the_place);
	tcase_add_test(c, unknown_keys_are_errors);
	tcase_add_test(c, later_files_win);
	tcase_add_test(c, files_are_loaded);
	tcase_add_test(c, spans_are_bytes);
	tcase_add_test(c, values_know_their_bytes);
	suite_add_tcase(suite, c);
	return suite_run(suite);
}
