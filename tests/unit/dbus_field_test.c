// SPDX-License-Identifier: Apache-2.0
/* Header fields of later versions of D-Bus, of every type. */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "dbus/dbus.h"

#include <check.h>
#include <string.h>

enum { UNKNOWN = 200, LISTS = 128 };

static void put_number(struct buf *to, unsigned bytes, unsigned n)
{
	while (to->len % bytes)
		buf_chr(to, '\0');
	for (unsigned i = 0; i < bytes; i++)
		buf_chr(to, i ? '\0' : (char)n);
}

static void put_text(struct buf *to, const char *text)
{
	put_number(to, 4, (unsigned)strlen(text));
	buf_add(to, text, strlen(text) + 1);
}

static void put_types(struct buf *to, const char *types)
{
	buf_chr(to, (char)strlen(types));
	buf_add(to, types, strlen(types) + 1);
}

/*
 * Writes a value: 1 2 4 8 are numbers of that many bytes, s a text, g a signature; [ and ] are around
 * an array, <8 and ] around one whose elements begin at multiples of 8, ( begins a struct or a dict
 * entry, vX a variant of type X, L a variant of type "as", and ! the length of a text without text.
 */
static void put_value(struct buf *to, const char *value)
{
	size_t lists[LISTS], begins[LISTS], n = 0;

	for (const char *c = value; *c; c++) {
		if (*c >= '1' && *c <= '8') {
			put_number(to, (unsigned)(*c - '0'), 1);
		} else if (*c == 's') {
			put_text(to, "ab");
		} else if (*c == 'g') {
			put_types(to, "ab");
		} else if (*c == 'L') {
			put_types(to, "as");
		} else if (*c == '!') {
			put_number(to, 4, 100);
		} else if (*c == 'v') {
			put_types(to, (char[]){ *++c, '\0' });
		} else if (*c == ']') {
			n--;
			to->data[lists[n]] = (char)(to->len - begins[n]);
		} else if (*c == '[' || *c == '<') {
			put_number(to, 4, 0);
			lists[n] = to->len - 4;
			while (*c == '<' && to->len % 8)
				buf_chr(to, '\0');
			begins[n++] = to->len;
		}
		while (*c == '(' && to->len % 8)
			buf_chr(to, '\0');
	}
}

/* The answer to call 3, with such a field at its beginning. */
static int parse_with(const char *types, const char *value, struct err *err)
{
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	static const char head[DBUS_HEAD] = { 'l', DBUS_ANSWER, 0, 1, 0, 0, 0, 0, 7 };
	size_t fields;
	int result;

	buf_add(&m.data, head, sizeof(head));
	buf_chr(&m.data, (char)UNKNOWN);
	put_types(&m.data, types);
	put_value(&m.data, value);
	while (m.data.len % 8)
		buf_chr(&m.data, '\0');
	buf_chr(&m.data, 5);
	put_types(&m.data, "u");
	put_number(&m.data, 4, 3);
	fields = m.data.len - DBUS_HEAD;
	m.data.data[12] = (char)fields;
	m.data.data[13] = (char)(fields >> 8);
	while (m.data.len % 8)
		buf_chr(&m.data, '\0');
	ck_assert(!m.data.over);
	result = dbus_parse(&m, err);
	if (result == 0)
		ck_assert_uint_eq(m.answers, 3);
	return result;
}

static const struct {
	const char *types, *value;
	bool good;
} cases[] = {
	{ "y", "1", true },
	{ "q", "2", true },
	{ "h", "4", true },
	{ "d", "8", true },
	{ "g", "g", true },
	{ "as", "[]", true },
	{ "as", "[ss]", true },
	{ "ay", "[111]", true },
	{ "at", "<]", true }, /* the padding is there nevertheless */
	{ "at", "<88]", true },
	{ "aas", "[[s][][ss]]", true },
	{ "ao", "[s]", true },
	{ "ag", "[gg]", true },
	{ "(yt)", "(18", true },
	{ "(y(us)q)", "(1(4s2", true },
	{ "a(yu)", "<(14(14]", true },
	{ "a(yas)", "<(1[s](1[]]", true },
	{ "a{sv}", "<(svu4(svss]", true },
	{ "a{ya{sv}}", "<(1<(sL[ss]]]", true },
	{ "v", "vu4", true },
	{ "v", "vvvvvu4", true },
	{ "v", "L[s]", true },
	{ "av", "[vu4vss]", true },

	{ "", "", false },
	{ "z", "4", false },
	{ "uu", "44", false },
	{ "a", "[]", false },
	{ "()", "(", false },
	{ "(u", "(4", false },
	{ "u)", "4", false },
	{ "(u}", "(4", false },
	{ "{su}", "(s4", false }, /* only in arrays */
	{ "a({su})", "<]", false },
	{ "a{su", "<]", false },
	{ "a{s}", "<]", false },
	{ "a{suu}", "<]", false },
	{ "a{vs}", "<]", false },
	{ "a{(u)s}", "<]", false },
	{ "a{su)", "<]", false },
	{ "as", "!", false }, /* longer than the fields */
	{ "s", "!", false },
	{ "au", "[41]", false }, /* ends in the middle of an element */
	{ "a(yu)", "<(1]", false },
	{ "as", "[!]", false },
	{ "v", "vz", false },
	{ "v", "va[]", false },
};

START_TEST(unknown_fields_are_skipped)
{
	struct err err = ERR_INIT;

	ck_assert_msg(parse_with(cases[_i].types, cases[_i].value, &err) ==
			      (cases[_i].good ? 0 : -1),
		      "'%s' %s: %s", cases[_i].types, cases[_i].value, err.msg);
	ck_assert_int_eq(err.code, cases[_i].good ? E_OK : E_PROTOCOL);
}
END_TEST

/* "aaa...y" with an array in each array, and variants in variants. */
static int parse_nested(unsigned depth, bool variants)
{
	AUTO(buf) struct buf types = BUF_INIT(256), value = BUF_INIT(1024);
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < depth; i++) {
		buf_chr(&types, 'a');
		buf_str(&value, variants ? "vv" : "[");
	}
	buf_chr(&types, 'y');
	buf_str(&value, variants ? "vy1" : "1");
	for (unsigned i = 0; !variants && i < depth; i++)
		buf_chr(&value, ']');
	return parse_with(variants ? "v" : buf_cstr(&types), buf_cstr(&value), &err);
}

START_TEST(nesting_has_a_limit)
{
	ck_assert_int_eq(parse_nested(32, false), 0);
	ck_assert_int_eq(parse_nested(62, true), 0);
	ck_assert_int_lt(parse_nested(65, false), 0);
	ck_assert_int_lt(parse_nested(120, true), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dbus, fields");
	TCase *tc = tcase_create("fields");

	tcase_add_loop_test(tc, unknown_fields_are_skipped, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(tc, nesting_has_a_limit);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
