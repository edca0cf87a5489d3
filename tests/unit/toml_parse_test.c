// SPDX-License-Identifier: Apache-2.0
/*
 * libs/toml: a valid and an invalid document for every production of the TOML 1.0 grammar and for
 * every rule that the specification has only in words. What a valid one means is written in a short
 * notation: {key=value} for a table, [a,b] for an array, "text", 12, 1.5f, true, dates as they are.
 */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/str.h"
#include "toml/toml.h"

#include <check.h>
#include <inttypes.h>

static void show(struct buf *to, const struct toml_value *v);

static void show_moment(struct buf *to, const struct toml_value *v)
{
	const struct toml_time *t = &v->time;

	if (v->type != TOML_LOCAL_TIME)
		buf_fmt(to, "%04d-%02d-%02d", t->year, t->month, t->day);
	if (v->type == TOML_OFFSET_DATETIME || v->type == TOML_LOCAL_DATETIME)
		buf_chr(to, 'T');
	if (v->type != TOML_LOCAL_DATE)
		buf_fmt(to, "%02d:%02d:%02d.%09d", t->hour, t->minute, t->second, t->nanosecond);
	if (v->type == TOML_OFFSET_DATETIME)
		buf_fmt(to, "%+d", t->offset);
}

static void show_children(struct buf *to, const struct toml_value *v)
{
	const char *comma = "";

	if (v->type == TOML_ARRAY) {
		buf_chr(to, '[');
		for (size_t i = 0; i < v->array.n; i++) {
			buf_str(to, i ? "," : "");
			show(to, v->array.items[i]);
		}
		buf_chr(to, ']');
		return;
	}
	buf_chr(to, '{');
	toml_each(entry, v)
	{
		buf_fmt(to, "%s%s=", comma, entry->key);
		comma = ",";
		show(to, entry->value);
	}
	buf_chr(to, '}');
}

static void show(struct buf *to, const struct toml_value *v)
{
	switch (v->type) {
	case TOML_STRING:
		ck_assert_uint_eq(strlen(v->string.text), v->string.len);
		buf_fmt(to, "\"%s\"", v->string.text);
		break;
	case TOML_INTEGER:
		buf_fmt(to, "%" PRId64, v->integer);
		break;
	case TOML_FLOAT:
		buf_fmt(to, "%gf", v->number);
		break;
	case TOML_BOOL:
		buf_str(to, v->boolean ? "true" : "false");
		break;
	case TOML_OFFSET_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		show_moment(to, v);
		break;
	case TOML_ARRAY:
	case TOML_TABLE:
		show_children(to, v);
		break;
	}
}

static const struct {
	const char *text, *meaning;
} valid[] = {
	/* toml, expression, ws, newline, comment */
	{ "", "{}" },
	{ "\n\r\n \t\n", "{}" },
	{ "\xEF\xBB\xBF"
	  "a=1",
	  "{a=1}" },
	{ "# only a comment", "{}" },
	{ "#\ttab and \xC3\xA9\na = 1 # end\r\n", "{a=1}" },
	{ " a\t=\t1 ", "{a=1}" },
	/* keyval, key, simple-key, unquoted-key, quoted-key, dotted-key */
	{ "aZ09_-=1", "{aZ09_-=1}" },
	{ "1234 = 1", "{1234=1}" },
	{ "\"a b\" = 1\n'c\\d' = 2", "{a b=1,c\\d=2}" },
	{ "\"\" = 1", "{=1}" },
	{ "\"\\u00e9\" = 1", "{\xC3\xA9=1}" },
	{ "a.b.c = 1\na . b . d = 2", "{a={b={c=1,d=2}}}" },
	{ "3.14 = 1", "{3={14=1}}" },
	{ "a.\"b.c\".'d' = 1", "{a={b.c={d=1}}}" },
	{ "true = 1\ninf = 2\n1979-05-27 = 3", "{true=1,inf=2,1979-05-27=3}" },
	/* boolean */
	{ "a=true\nb=false", "{a=true,b=false}" },
	/* integer: dec-int, hex-int, oct-int, bin-int */
	{ "a=0\nb=+0\nc=-0\nd=+99\ne=-17", "{a=0,b=0,c=0,d=99,e=-17}" },
	{ "a=1_000\nb=1_2_3", "{a=1000,b=123}" },
	{ "a=9223372036854775807\nb=-9223372036854775808",
	  "{a=9223372036854775807,b=-9223372036854775808}" },
	{ "a=0xDEAD_beef\nb=0o0755\nc=0b1101_0\nd=0x00", "{a=3735928559,b=493,c=26,d=0}" },
	{ "a=0x7fffffffffffffff", "{a=9223372036854775807}" },
	/* float: frac, exp, special-float */
	{ "a=+1.0\nb=3.25\nc=-0.01", "{a=1f,b=3.25f,c=-0.01f}" },
	{ "a=5e+22\nb=1e06\nc=-2E-2\nd=6.5e-3\ne=1e1_0",
	  "{a=5e+22f,b=1e+06f,c=-0.02f,d=0.0065f,e=1e+10f}" },
	{ "a=9_224.617_5\nb=0.0\nc=-0.0\nd=0e0", "{a=9224.62f,b=0f,c=-0f,d=0f}" },
	{ "a=inf\nb=+inf\nc=-inf\nd=+nan", "{a=inff,b=inff,c=-inff,d=nanf}" },
	/* basic-string, escaped, literal-string */
	{ "a=\"\"\nb=''", "{a=\"\",b=\"\"}" },
	{ "a=\"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a=\"\b\t\n\f\r\"\\\"}" },
	{ "a=\"\\u0041\\U0001F600\\uD7FF\\uE000\"",
	  "{a=\"A\xF0\x9F\x98\x80\xED\x9F\xBF\xEE\x80\x80\"}" },
	{ "a=\"\\u00E9\\U0010FFFF\"", "{a=\"\xC3\xA9\xF4\x8F\xBF\xBF\"}" },
	{ "a=\"tab\there # no comment\"", "{a=\"tab\there # no comment\"}" },
	{ "a='C:\\new\\u0041 \"x\"'", "{a=\"C:\\new\\u0041 \"x\"\"}" },
	/* ml-basic-string, mlb-quotes, mlb-escaped-nl */
	{ "a=\"\"\"\"\"\"", "{a=\"\"}" },
	{ "a=\"\"\"\nx\ny\"\"\"", "{a=\"x\ny\"}" },
	{ "a=\"\"\"\r\nx\r\n\"\"\"", "{a=\"x\r\n\"}" },
	{ "a=\"\"\"x \\\n\n  \t y\\  \r\n\"\"\"", "{a=\"x y\"}" },
	{ "a=\"\"\"\\\n  x\"\"\"", "{a=\"x\"}" },
	{ "a=\"\"\"\"x\"\"y\"\"\"\"\"", "{a=\"\"x\"\"y\"\"\"}" },
	{ "a=\"\"\"x\\\"\"\"\"", "{a=\"x\"\"}" },
	{ "a=\"\"\"\\u0041\\\\\"\"\"", "{a=\"A\\\"}" },
	/* ml-literal-string, mll-quotes */
	{ "a=''''''", "{a=\"\"}" },
	{ "a='''\nx\\\ny'''", "{a=\"x\\\ny\"}" },
	{ "a=''''x''y'''''", "{a=\"'x''y''\"}" },
	/* date-time: offset-date-time, local-date-time, local-date, local-time */
	{ "a=1979-05-27T07:32:00Z", "{a=1979-05-27T07:32:00.000000000+0}" },
	{ "a=1979-05-27t07:32:00.5z", "{a=1979-05-27T07:32:00.500000000+0}" },
	{ "a=1979-05-27 00:32:00.999999-07:30", "{a=1979-05-27T00:32:00.999999000-450}" },
	{ "a=1979-05-27T07:32:00+23:59", "{a=1979-05-27T07:32:00.000000000+1439}" },
	{ "a=1979-05-27T07:32:00", "{a=1979-05-27T07:32:00.000000000}" },
	{ "a=1979-05-27 07:32:00 # x", "{a=1979-05-27T07:32:00.000000000}" },
	{ "a=1979-05-27 # x\nb=1979-05-27 ", "{a=1979-05-27,b=1979-05-27}" },
	{ "a=2024-02-29\nb=2000-02-29\nc=0000-01-01\nd=9999-12-31",
	  "{a=2024-02-29,b=2000-02-29,c=0000-01-01,d=9999-12-31}" },
	{ "a=07:32:00\nb=23:59:60\nc=00:00:00.1234567891",
	  "{a=07:32:00.000000000,b=23:59:60.000000000,c=00:00:00.123456789}" },
	/* array */
	{ "a=[]\nb=[ ]", "{a=[],b=[]}" },
	{ "a=[1,2,]", "{a=[1,2]}" },
	{ "a=[ 1, 'x', [ 1.5, true ], {b=1} ]", "{a=[1,\"x\",[1.5f,true],{b=1}]}" },
	{ "a=[ # one\n1 # two\n, # three\n\n2 # four\n] # five", "{a=[1,2]}" },
	/* inline-table */
	{ "a={}\nb={ }", "{a={},b={}}" },
	{ "a={b=1, c.d=2 ,\"e\" = { f = [ 1,\n2 ] } }", "{a={b=1,c={d=2},e={f=[1,2]}}}" },
	{ "a={b.c=1,b.d=2}", "{a={b={c=1,d=2}}}" },
	/* std-table, array-table */
	{ "[a]\nb=1\n[ c . \"d\" ] # x\ne=2", "{a={b=1},c={d={e=2}}}" },
	{ "[a.b.c]\n[a]\nx=1", "{a={b={c={}},x=1}}" },
	{ "[a.b]\n[a.c]\n[a]", "{a={b={},c={}}}" },
	{ "[[a]]\nx=1\n[[a]]\n[[ a ]]\nx=2", "{a=[{x=1},{},{x=2}]}" },
	{ "[[a]]\n[a.b]\nx=1\n[[a.c]]\n[[a]]\n[a.b]\nx=2", "{a=[{b={x=1},c=[{}]},{b={x=2}}]}" },
	{ "[[a.b]]\n[a]\nx=1", "{a={b=[{}],x=1}}" },
	{ "[a]\nb.c=1\n[a.b.d]\nx=1", "{a={b={c=1,d={x=1}}}}" },
	{ "a.b=1\n[a.c]\nx=1", "{a={b=1,c={x=1}}}" },
	{ "[a]\n[b]\n[a.c]", "{a={c={}},b={}}" },
};

START_TEST(test_valid)
{
	struct err err = ERR_INIT;
	AUTO(buf) struct buf meaning = BUF_INIT(4096);
	AUTO(toml)
	struct toml_value *root = toml_parse("t", valid[_i].text, strlen(valid[_i].text), NULL,
					     &err);

	ck_assert_msg(root != NULL, "%s\n%s", valid[_i].text, err.msg);
	show(&meaning, root);
	ck_assert_str_eq(buf_cstr(&meaning), valid[_i].meaning);
}
END_TEST

static const struct {
	const char *text;
	unsigned line, column;
} invalid[] = {
	/* expression, newline, comment, encoding */
	{ "a=1 b=2", 1, 5 },
	{ "a=1\rb=2", 1, 4 },
	{ "# bell \a", 1, 8 },
	{ "# delete \x7F", 1, 10 },
	{ "# return \r", 1, 10 },
	{ "a=1\n# \xFF", 2, 3 },
	{ "a='\xC0\x80'", 1, 4 },
	{ "a='\xED\xA0\x80'", 1, 4 },
	{ "a='\xF4\x90\x80\x80'", 1, 4 },
	{ "a='\xE2\x82", 1, 4 },
	{ "\v", 1, 1 },
	{ "a=1\n\xEF\xBB\xBF"
	  "b=1",
	  2, 1 },
	/* keyval, key, simple-key, unquoted-key, quoted-key, dotted-key */
	{ "a", 1, 2 },
	{ "a=", 1, 3 },
	{ "= 1", 1, 1 },
	{ "a\n= 1", 1, 2 },
	{ "a = # x", 1, 5 },
	{ "a b = 1", 1, 3 },
	{ "\xC3\xA9 = 1", 1, 1 },
	{ "a+b = 1", 1, 2 },
	{ "a. = 1", 1, 4 },
	{ ".a = 1", 1, 1 },
	{ "a..b = 1", 1, 3 },
	{ "\"\"\"a\"\"\" = 1", 1, 1 },
	{ "'''a''' = 1", 1, 1 },
	{ "\"a\nb\" = 1", 1, 1 },
	{ "a=1\na=2", 2, 1 },
	{ "a=1\n\"a\"=2", 2, 1 },
	{ "a=1\na.b=2", 2, 1 },
	{ "a.b=1\na=2", 2, 1 },
	{ "a.b=1\na.b.c=2", 2, 3 },
	/* boolean, and words that are not a value */
	{ "a=True", 1, 3 },
	{ "a=truer", 1, 3 },
	{ "a=yes", 1, 3 },
	{ "a=abc", 1, 3 },
	/* integer */
	{ "a=01", 1, 3 },
	{ "a=-01", 1, 3 },
	{ "a=_1", 1, 3 },
	{ "a=1_", 1, 3 },
	{ "a=1__2", 1, 3 },
	{ "a=++1", 1, 3 },
	{ "a=+0x1", 1, 3 },
	{ "a=0X1", 1, 3 },
	{ "a=0x", 1, 3 },
	{ "a=0x_1", 1, 3 },
	{ "a=0xg", 1, 3 },
	{ "a=0o8", 1, 3 },
	{ "a=0b2", 1, 3 },
	{ "a=9223372036854775808", 1, 3 },
	{ "a=-9223372036854775809", 1, 3 },
	{ "a=0x8000000000000000", 1, 3 },
	{ "a=1 2", 1, 5 },
	/* float */
	{ "a=.5", 1, 3 },
	{ "a=5.", 1, 3 },
	{ "a=5.e1", 1, 3 },
	{ "a=1._5", 1, 3 },
	{ "a=1.5_", 1, 3 },
	{ "a=01.5", 1, 3 },
	{ "a=1e", 1, 3 },
	{ "a=1e+", 1, 3 },
	{ "a=1e1.5", 1, 3 },
	{ "a=1e999", 1, 3 },
	{ "a=Inf", 1, 3 },
	{ "a=+-inf", 1, 3 },
	{ "a=nan1", 1, 3 },
	/* basic-string, literal-string */
	{ "a=\"x", 1, 3 },
	{ "a=\"x\ny\"", 1, 3 },
	{ "a=\"\x01\"", 1, 4 },
	{ "a=\"\x7F\"", 1, 4 },
	{ "a=\"\\a\"", 1, 5 },
	{ "a=\"\\e\"", 1, 5 },
	{ "a=\"\\x41\"", 1, 5 },
	{ "a=\"\\u12G4\"", 1, 5 },
	{ "a=\"\\u123\"", 1, 5 },
	{ "a=\"\\U0011", 1, 5 },
	{ "a=\"\\uD800\"", 1, 5 },
	{ "a=\"\\UFFFFFFFF\"", 1, 5 },
	{ "a=\"\\U00110000\"", 1, 5 },
	{ "a='x", 1, 3 },
	{ "a='x\ny'", 1, 3 },
	{ "a='\x02'", 1, 4 },
	{ "a='x' 'y'", 1, 7 },
	/* ml-basic-string, ml-literal-string */
	{ "a=\"\"\"x\"\"", 1, 3 },
	{ "a=\"\"\"x\"\"\"\"\"\"", 1, 12 },
	{ "a=\"\"\"\nx \\ y\"\"\"", 2, 4 },
	{ "a=\"\"\"x\ry\"\"\"", 1, 7 },
	{ "a=\"\"\"\n\x1F\"\"\"", 2, 1 },
	{ "a='''x''", 1, 3 },
	{ "a='''x''''''", 1, 12 },
	{ "a='''\n\ny\r'''", 3, 2 },
	/* date-time */
	{ "a=1979-5-27", 1, 3 },
	{ "a=1979-13-01", 1, 3 },
	{ "a=1979-00-01", 1, 3 },
	{ "a=1979-04-31", 1, 3 },
	{ "a=1979-01-00", 1, 3 },
	{ "a=2023-02-29", 1, 3 },
	{ "a=1900-02-29", 1, 3 },
	{ "a=1979-05-27T", 1, 3 },
	{ "a=1979-05-27T07:32", 1, 3 },
	{ "a=1979-05-27T07:32Z", 1, 3 },
	{ "a=1979-05-27x07:32:00", 1, 3 },
	{ "a=1979-05-27  07:32:00", 1, 15 },
	{ "a=1979-05-27T24:00:00", 1, 3 },
	{ "a=1979-05-27T07:60:00", 1, 3 },
	{ "a=1979-05-27T07:32:61", 1, 3 },
	{ "a=1979-05-27T07:32:00.", 1, 3 },
	{ "a=1979-05-27T07:32:00+24:00", 1, 3 },
	{ "a=1979-05-27T07:32:00+0700", 1, 3 },
	{ "a=1979-05-27T07:32:00+07:60", 1, 3 },
	{ "a=1979-05-27Z", 1, 3 },
	{ "a=07:32:00Z", 1, 3 },
	{ "a=7:32:00", 1, 3 },
	{ "a=07:32", 1, 3 },
	{ "a=07:32:00.", 1, 3 },
	/* array */
	{ "a=[", 1, 4 },
	{ "a=[1", 1, 5 },
	{ "a=[1 2]", 1, 6 },
	{ "a=[,]", 1, 4 },
	{ "a=[1,,2]", 1, 6 },
	{ "a=[1}", 1, 5 },
	{ "a=[1]]", 1, 6 },
	/* inline-table */
	{ "a={", 1, 4 },
	{ "a={b=1", 1, 7 },
	{ "a={b=1,}", 1, 8 },
	{ "a={,}", 1, 4 },
	{ "a={b=1 c=2}", 1, 8 },
	{ "a={\nb=1}", 1, 4 },
	{ "a={b=1\n}", 1, 7 },
	{ "a={b=1, # x\nc=2}", 1, 9 },
	{ "a={b}", 1, 5 },
	{ "a={b=1,b=2}", 1, 8 },
	{ "a={b={},b.c=1}", 1, 9 },
	{ "a={b.c=1,b={}}", 1, 10 },
	{ "a={}\na.b=1", 2, 1 },
	{ "a={}\n[a.b]", 2, 2 },
	{ "a={}\n[a]", 2, 2 },
	{ "a={b={}}\n[a.b.c]", 2, 2 },
	/* std-table */
	{ "[]", 1, 2 },
	{ "[a", 1, 3 },
	{ "[a.]", 1, 4 },
	{ "[a]b=1", 1, 4 },
	{ "[a]]", 1, 4 },
	{ "[ [a]]", 1, 3 },
	{ "[a\n]", 1, 3 },
	{ "[a b]", 1, 4 },
	{ "[a]\n[a]", 2, 2 },
	{ "[a.b]\n[a]\n[a.b]", 3, 4 },
	{ "a=1\n[a]", 2, 2 },
	{ "a=1\n[a.b]", 2, 2 },
	{ "a.b=1\n[a]", 2, 2 },
	{ "[a]\nb.c=1\n[a.b]", 3, 4 },
	{ "[a.b]\nx=1\n[a]\nb.y=2", 4, 1 },
	{ "[a.b.c]\n[a]\nb.y=2", 3, 1 },
	/* array-table */
	{ "[[a]", 1, 5 },
	{ "[[a] ]", 1, 6 },
	{ "[[a]]x", 1, 6 },
	{ "[[]]", 1, 3 },
	{ "[a]\n[[a]]", 2, 3 },
	{ "[[a]]\n[a]", 2, 2 },
	{ "[a.b]\n[[a]]", 2, 3 },
	{ "a=[]\n[[a]]", 2, 3 },
	{ "a=[{}]\n[a.b]", 2, 2 },
	{ "a=1\n[[a]]", 2, 3 },
	{ "[[a]]\n[[a.b]]\n[a.b]", 3, 4 },
	{ "[[a.b]]\n[a]\nb.c=1", 3, 1 },
};

START_TEST(test_invalid)
{
	struct err err = ERR_INIT;
	AUTO(str) char *where = str_fmt("t:%u:%u: ", invalid[_i].line, invalid[_i].column);
	AUTO(toml)
	struct toml_value *root = toml_parse("t", invalid[_i].text, strlen(invalid[_i].text), NULL,
					     &err);

	ck_assert_msg(root == NULL, "accepted: %s", invalid[_i].text);
	ck_assert_int_eq(err.code, E_CONFIG);
	ck_assert_msg(str_starts(err.msg, where), "%s\nnot at %s\n%s", invalid[_i].text, where,
		      err.msg);
}
END_TEST

START_TEST(test_nul_bytes)
{
	static const char inside[] = "a='\0'", outside[] = "a=1\0", escaped[] = "a=\"x\\u0000y\"";
	struct err err = ERR_INIT;
	AUTO(toml) struct toml_value *root = NULL;

	ck_assert_ptr_null(toml_parse("t", inside, sizeof(inside) - 1, NULL, &err));
	ck_assert_int_eq(err.code, E_CONFIG);
	err_clear(&err);
	ck_assert_ptr_null(toml_parse("t", outside, sizeof(outside) - 1, NULL, &err));
	ck_assert_int_eq(err.code, E_CONFIG);
	err_clear(&err);
	root = toml_parse("t", escaped, sizeof(escaped) - 1, NULL, &err);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(toml_find(root, "a")->string.len, 3);
}
END_TEST

/* One level deeper than the limit, for each way of nesting. */
static const struct {
	const char *before, *repeat, *after;
} nestings[] = {
	{ "a=", "[", "" },   { "a=", "{a=", "" },     { "", "a.", "a=1" },
	{ "[", "a.", "a]" }, { "a={", "a.", "a=1}" },
};

static enum err_code parse_nested(size_t which, size_t depth)
{
	struct err err = ERR_INIT;
	AUTO(buf) struct buf text = BUF_INIT(4096);
	AUTO(toml) struct toml_value *root = NULL;

	buf_str(&text, nestings[which].before);
	for (size_t i = 0; i < depth; i++)
		buf_str(&text, nestings[which].repeat);
	buf_str(&text, nestings[which].after);
	root = toml_parse("t", buf_cstr(&text), text.len, NULL, &err);
	return err.code;
}

START_TEST(test_depth)
{
	ck_assert_int_ne(parse_nested((size_t)_i, 62), E_LIMIT);
	ck_assert_int_eq(parse_nested((size_t)_i, 65), E_LIMIT);
	ck_assert_int_eq(parse_nested((size_t)_i, 1000), E_LIMIT);
}
END_TEST

START_TEST(test_depth_of_headers)
{
	static const struct toml_limits limits = { .size = 100, .depth = 4 };
	static const char good[] = "[[a]]\n[[a.b]]", bad[] = "[[a]]\n[[a.b]]\n[a.b.c]";
	struct err err = ERR_INIT;
	AUTO(toml) struct toml_value *root = toml_parse("t", good, strlen(good), &limits, &err);

	ck_assert_ptr_nonnull(root);
	ck_assert_ptr_null(toml_parse("t", bad, strlen(bad), &limits, &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(test_size)
{
	static const struct toml_limits limits = { .size = 3, .depth = 4 };
	struct err err = ERR_INIT;
	AUTO(toml) struct toml_value *root = toml_parse("t", "a=1", 3, &limits, &err);

	ck_assert_ptr_nonnull(root);
	ck_assert_ptr_null(toml_parse("t", "a=12", 4, &limits, &err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* Enough keys for the hash index, and one of them twice. */
START_TEST(test_many_keys)
{
	struct err err = ERR_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(toml) struct toml_value *root = NULL;

	for (int i = 0; i < 20000; i++)
		buf_fmt(&text, "key%d = %d\n", i, i);
	root = toml_parse("t", buf_cstr(&text), text.len, NULL, &err);
	ck_assert_msg(root != NULL, "%s", err.msg);
	for (int i = 0; i < 20000; i += 7) {
		AUTO(str) char *key = str_fmt("key%d", i);

		ck_assert_int_eq(toml_find(root, key)->integer, i);
	}
	ck_assert_ptr_null(toml_find(root, "key20000"));
	buf_str(&text, "key777 = 1\n");
	ck_assert_ptr_null(toml_parse("t", buf_cstr(&text), text.len, NULL, &err));
	ck_assert_int_eq(err.code, E_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 778"));
}
END_TEST

/* Messages do not contain control characters of the document. */
START_TEST(test_message_is_printable)
{
	static const char text[] = "\"\\u001b[2J\" = 1\n\"\\u001b[2J\" = 2";
	struct err err = ERR_INIT;

	ck_assert_ptr_null(toml_parse("t", text, strlen(text), NULL, &err));
	ck_assert_ptr_null(strchr(err.msg, '\x1b'));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("toml_parse");
	TCase *c = tcase_create("documents");

	tcase_add_loop_test(c, test_valid, 0, ARRAY_LEN(valid));
	tcase_add_loop_test(c, test_invalid, 0, ARRAY_LEN(invalid));
	tcase_add_test(c, test_nul_bytes);
	tcase_add_loop_test(c, test_depth, 0, ARRAY_LEN(nestings));
	tcase_add_test(c, test_depth_of_headers);
	tcase_add_test(c, test_size);
	tcase_add_test(c, test_many_keys);
	tcase_add_test(c, test_message_is_printable);
	suite_add_tcase(suite, c);
	return suite_run(suite);
}
