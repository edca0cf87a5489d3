// SPDX-License-Identifier: Apache-2.0
/* toml/edit.h: a string is added to an array and removed; every other byte stays. */

#include "tests/unit/suite.h"

#include "toml/edit.h"

#include "base/mem.h"
#include "base/str.h"
#include "toml/toml.h"

#include <check.h>
#include <string.h>

static struct err err;

#define ADD "V"

static void setup(void)
{
	err_clear(&err);
}

static char *added(const char *text, int *how)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	*how = toml_edit_add_string("c.toml", text, strlen(text), "imports", ADD, &out, &err);
	ck_assert_msg(*how >= 0, "%s", err.msg);
	return xstrdup(buf_cstr(&out));
}

static char *removed(const char *text, bool created)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	ck_assert_msg(toml_edit_remove_string("c.toml", text, strlen(text), "imports", ADD, created,
					      &out, &err) >= 0,
		      "%s", err.msg);
	return xstrdup(buf_cstr(&out));
}

static const struct {
	const char *before, *after;
	int how;
} adds[] = {
	{ "", "imports = [\"V\"]\n", TOML_EDITED_NEW },
	{ "\n", "\nimports = [\"V\"]\n", TOML_EDITED_NEW },
	{ "# note", "# note\nimports = [\"V\"]", TOML_EDITED_NEW },
	{ "# note\n", "# note\nimports = [\"V\"]\n", TOML_EDITED_NEW },
	{ "\xEF\xBB\xBF", "\xEF\xBB\xBFimports = [\"V\"]\n", TOML_EDITED_NEW },
	{ "\xEF\xBB\xBF  [t]\n", "\xEF\xBB\xBFimports = [\"V\"]\n  [t]\n", TOML_EDITED_NEW },
	{ "version = 2", "version = 2\nimports = [\"V\"]", TOML_EDITED_NEW },
	{ "version = 2\n[t]\na = 1\n", "version = 2\nimports = [\"V\"]\n[t]\na = 1\n",
	  TOML_EDITED_NEW },
	{ "version = 2\r\n\r\n[t]\r\n", "version = 2\r\nimports = [\"V\"]\r\n\r\n[t]\r\n",
	  TOML_EDITED_NEW },
	{ "# c\n\n  [[t]]\n", "# c\n\nimports = [\"V\"]\n  [[t]]\n", TOML_EDITED_NEW },
	{ "a = [\n 1, # x\n [2]\n] # y\n[t]", "a = [\n 1, # x\n [2]\n] # y\nimports = [\"V\"]\n[t]",
	  TOML_EDITED_NEW },
	{ "a = { b.c = 1, d = [ 2 ] }\n", "a = { b.c = 1, d = [ 2 ] }\nimports = [\"V\"]\n",
	  TOML_EDITED_NEW },
	{ "a = \"\"\"\n[t]\n\"\"\"\n", "a = \"\"\"\n[t]\n\"\"\"\nimports = [\"V\"]\n",
	  TOML_EDITED_NEW },
	{ "imports = []\n", "imports = [\"V\"]\n", TOML_EDITED },
	{ "imports = [ ]", "imports = [\"V\" ]", TOML_EDITED },
	{ "imports = [ # none\n]", "imports = [\"V\" # none\n]", TOML_EDITED },
	{ "imports = [\"a\"]\n", "imports = [\"a\", \"V\"]\n", TOML_EDITED },
	{ "imports = [\"a\",]\n", "imports = [\"a\", \"V\",]\n", TOML_EDITED },
	{ "\"imports\" = ['a', # why\n \"\"\"b\"\"\" # and\n ,]\n",
	  "\"imports\" = ['a', # why\n \"\"\"b\"\"\", \"V\" # and\n ,]\n", TOML_EDITED },
	{ "[t]\nimports = [\"V\"]\n", "imports = [\"V\"]\n[t]\nimports = [\"V\"]\n",
	  TOML_EDITED_NEW },
};

START_TEST(add_then_remove)
{
	int how;
	AUTO(str) char *with = added(adds[_i].before, &how);
	AUTO(str) char *without = removed(with, how == TOML_EDITED_NEW);

	ck_assert_str_eq(with, adds[_i].after);
	ck_assert_int_eq(how, adds[_i].how);
	ck_assert_str_eq(without, adds[_i].before);
}
END_TEST

START_TEST(add_again_changes_nothing)
{
	int how;
	AUTO(str) char *with = added(adds[_i].after, &how);

	ck_assert_int_eq(how, 0);
	ck_assert_str_eq(with, adds[_i].after);
}
END_TEST

/* After others edited the document, only our string is removed. */
static const struct {
	const char *edited, *left;
	bool created;
} edits[] = {
	{ "imports = [\"V\", \"b\"]\n", "imports = [\"b\"]\n", true },
	{ "imports = [\"V\"   ,   \"b\"]\n", "imports = [\"b\"]\n", true },
	{ "imports = [\"a\", \"V\", \"b\"]\n", "imports = [\"a\", \"b\"]\n", false },
	{ "imports = [\"a\", \"V\", \"b\"]\n", "imports = [\"a\", \"b\"]\n", true },
	{ "imports = [\n\t\"a\",\n\t\"V\",\n\t\"b\",\n]\n", "imports = [\n\t\"a\",\n\t\"b\",\n]\n",
	  false },
	{ "imports = [\n\t\"a\",\n\t\"V\"\n]\n", "imports = [\n\t\"a\",\n]\n", false },
	{ "imports = [\n\t\"V\"\n]\n", "imports = [\n]\n", false },
	{ "imports = [\n\t\"V\",\n]\n", "", true },
	{ "imports = [\"V\",]\n", "imports = []\n", false },
	{ "imports = [\"V\"] # mine\n", "imports = [] # mine\n", true },
	{ "imports = [ # mine\n \"V\"]\n", "imports = [ # mine\n ]\n", true },
	{ "imports = [\"a\", # why a\n\"V\" # kata\n]\n", "imports = [\"a\", # why a\n # kata\n]\n",
	  false },
	{ "imports = [\"V\" # kata\n, \"b\"]\n", "imports = [ # kata\n \"b\"]\n", false },
	{ "imports = [\"a\"\n, \"V\"]\n", "imports = [\"a\"\n, ]\n", false },
	{ "  imports = [\"V\"]  \nb = 1", "b = 1", true },
	{ "a = 1\n\nimports = [\"V\"]\n\nb = 1\n", "a = 1\n\n\nb = 1\n", true },
	{ "a = 1\nimports = [\"V\"]\n# later\n", "a = 1\n# later\n", true },
	{ "a = 1\r\nimports = [\"V\"]", "a = 1", true },
	{ "imports = [\"\\u0056\"]\n", "", true },
	{ "imports = [\"V\", \"V\"]\n", "imports = [\"V\"]\n", true },
	{ "imports = [\"other\"]\n", "imports = [\"other\"]\n", true },
	{ "a = 1\n", "a = 1\n", true },
};

START_TEST(remove_after_edits)
{
	AUTO(str) char *left = removed(edits[_i].edited, edits[_i].created);

	ck_assert_str_eq(left, edits[_i].left);
}
END_TEST

static const char *const refused[] = {
	"imports = \"V\"\n",    "imports = [1]\n",  "imports.a = 1\n", "[imports]\n",
	"[[imports]]\na = 1\n", "imports = [\"a\"", "a = \"\xFF\"\n",  "[t\n",
};

START_TEST(refused_documents)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	ck_assert_int_eq(toml_edit_add_string("c.toml", refused[_i], strlen(refused[_i]), "imports",
					      ADD, &out, &err),
			 -1);
	ck_assert_int_eq(err.code, E_CONFIG);
	err_clear(&err);
	ck_assert_int_eq(toml_edit_remove_string("c.toml", refused[_i], strlen(refused[_i]),
						 "imports", ADD, true, &out, &err),
			 -1);
	ck_assert_int_eq(err.code, E_CONFIG);
}
END_TEST

static const struct {
	const char *before, *after; /* after is NULL if nothing is removed */
} tables[] = {
	{ "", NULL },
	{ "a.b = 1\n", NULL },
	{ "[a]\nb = { c = 1 }\n", NULL },
	{ "[a.bc]\nx = 1\n[b]\n[a]\nb1 = 1\n", NULL },
	{ "[a.b]\nx = 1\n", "" },
	{ "[a.b]", "" },
	{ "\xEF\xBB\xBF[a.b]\nx = 1\n", "\xEF\xBB\xBF" },
	{ "v = 1\n[a.b]\nx = 1\n[c]\n", "v = 1\n[c]\n" },
	/* Quoted keys, blanks, comments, tables below, arrays of tables. */
	{ "[a]\nz = 1\n [ 'a' . \"b\" ] # mine\n  x = [ # one\n   1 ]\n\n  [a.b.\"c\"]\n  y = 1\n# "
	  "of d\n[d]\n",
	  "[a]\nz = 1\n# of d\n[d]\n" },
	{ "[[a.b]]\nx = 1\n[[a.b]]\n[a.b.c]\n[e]\n", "[e]\n" },
	/* In two places; of the empty lines around it one stays. */
	{ "[a.b]\nx = 1\n\n[c]\ny = 2\n\n[a.b.d]\nz = 1\n\n[e]\n", "[c]\ny = 2\n\n[e]\n" },
	{ "[c]\r\n\r\n[a.b]\r\nx = 1\r\n\r\n\r\n[e]\r\n", "[c]\r\n\r\n[e]\r\n" },
	{ "[a.b]\nx = \"\"\"\n[c]\n\"\"\"\n[e]\n", "[e]\n" },
};

START_TEST(remove_tables)
{
	static const char *const path[] = { "a", "b" };
	AUTO(buf) struct buf out = BUF_INIT(4096);
	const char *before = tables[_i].before, *after = tables[_i].after;
	int how = toml_edit_remove_table("c.toml", before, strlen(before), path, ARRAY_LEN(path),
					 &out, &err);

	ck_assert_msg(how == (after ? TOML_EDITED : 0), "%d: %s", how, err.msg);
	ck_assert_str_eq(buf_cstr(&out), after ? after : before);
}
END_TEST

START_TEST(quotes)
{
	static const char value[] = "/a \"b\"\\c\td\x7F";
	AUTO(buf) struct buf out = BUF_INIT(4096), back = BUF_INIT(4096);
	AUTO(strv) char **list = NULL;

	ck_assert_int_eq(toml_edit_add_string("c.toml", "", 0, "imports", value, &out, &err),
			 TOML_EDITED_NEW);
	AUTO(toml) struct toml_value *root = toml_parse("c.toml", out.data, out.len, NULL, &err);
	ck_assert_ptr_nonnull(root);
	ck_assert_int_eq(toml_get_strings(root, "imports", &list, &err), 0);
	ck_assert_str_eq(list[0], value);
	ck_assert_int_eq(toml_edit_remove_string("c.toml", out.data, out.len, "imports", value,
						 true, &back, &err),
			 TOML_EDITED);
	ck_assert_uint_eq(back.len, 0);
}
END_TEST

START_TEST(bounds)
{
	AUTO(buf) struct buf out = BUF_INIT(8);

	ck_assert_int_eq(toml_edit_add_string("c.toml", "a = 1\n", 6, "imports", ADD, &out, &err),
			 -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(not_utf8)
{
	AUTO(buf) struct buf out = BUF_INIT(64);

	ck_assert_int_eq(toml_edit_add_string("c.toml", "", 0, "imports", "\xFF", &out, &err), -1);
	ck_assert_int_eq(err.code, E_CONFIG);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("toml_edit");
	TCase *tc = tcase_create("edit");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, add_then_remove, 0, ARRAY_LEN(adds));
	tcase_add_loop_test(tc, add_again_changes_nothing, 0, ARRAY_LEN(adds));
	tcase_add_loop_test(tc, remove_after_edits, 0, ARRAY_LEN(edits));
	tcase_add_loop_test(tc, remove_tables, 0, ARRAY_LEN(tables));
	tcase_add_loop_test(tc, refused_documents, 0, ARRAY_LEN(refused));
	tcase_add_test(tc, quotes);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, not_utf8);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
