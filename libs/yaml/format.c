// SPDX-License-Identifier: Apache-2.0
/*
 * JSON values as block YAML. Not written with libyaml's emitter, whose line breaks and quoting may
 * differ between versions: these bytes are signed and must be reproducible.
 */

#include "base/str.h"
#include "yaml/yaml.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Words that readers of YAML 1.2, or of 1.1, which has more booleans, do not take for a string. */
static bool is_word(const char *s)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no",
					     "on",   "off",  "y",     "n",   NULL };

	for (size_t i = 0; words[i]; i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

/* Integers, fractions, exponents, hexadecimal, octal, dates, base 60. A digest in hex, which has many
 * letters as a rule, is then none. */
static bool is_number(const char *s)
{
	size_t n = strspn(s, DIGITS "_.:+-");

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b'))
		return true;
	if (s[n] == 'e' || s[n] == 'E')
		n += 1 + strspn(s + n + 1, DIGITS "_.:+-");
	return s[n] == '\0';
}

static bool is_plain(const char *s)
{
	size_t len = strlen(s);

	if (!len || !strchr(DIGITS LETTERS "/_", s[0]) || s[len - 1] == ' ' || is_word(s) ||
	    (strchr(DIGITS, s[0]) && is_number(s)))
		return false;
	for (const char *p = s; *p; p++) {
		if (*p == ':' && (p[1] == ' ' || !p[1]))
			return false;
		if (!strchr(DIGITS LETTERS " _./+-@%=~^():", *p))
			return false;
	}
	return true;
}

/* The code point at s, which is valid UTF-8; *len gets the number of its bytes. */
static uint32_t code_point(const char *s, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];

	*len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (*len > 1)
		c &= 0xffu >> (*len + 1);
	for (size_t i = 1; i < *len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static bool is_printable(uint32_t c)
{
	if (c < 0xa0)
		return c >= 0x20 && c < 0x7f;
	return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static void put_quoted(const char *s, struct buf *to)
{
	size_t len;

	buf_chr(to, '"');
	for (; *s; s += len) {
		uint32_t c = code_point(s, &len);

		if (c == '"' || c == '\\')
			buf_fmt(to, "\\%c", (int)c);
		else if (c == '\n')
			buf_str(to, "\\n");
		else if (c == '\t')
			buf_str(to, "\\t");
		else if (is_printable(c))
			buf_add(to, s, len);
		else
			buf_fmt(to, "\\u%04" PRIx32, c);
	}
	buf_chr(to, '"');
}

static void put_string(const char *s, struct buf *to)
{
	if (is_plain(s))
		buf_str(to, s);
	else
		put_quoted(s, to);
}

static void put_integer(const struct json *j, struct buf *to)
{
	uint64_t large;

	if (json_u64(j, &large) == 0)
		buf_fmt(to, "%" PRIu64, large);
	else
		buf_fmt(to, "%" PRIi64, json_int(j));
}

static bool is_block(const struct json *j)
{
	enum json_kind kind = json_kind(j);

	return (kind == JSON_IS_ARRAY || kind == JSON_IS_OBJECT) && json_count(j) > 0;
}

static int put_line_end_value(const struct json *j, struct buf *to, struct err *err)
{
	switch (json_kind(j)) {
	case JSON_IS_NULL:
		buf_str(to, "null\n");
		return 0;
	case JSON_IS_BOOL:
		buf_str(to, json_bool(j) ? "true\n" : "false\n");
		return 0;
	case JSON_IS_INT:
		put_integer(j, to);
		break;
	case JSON_IS_STRING:
		put_string(json_text(j), to);
		break;
	case JSON_IS_ARRAY:
		buf_str(to, "[]");
		break;
	case JSON_IS_OBJECT:
		buf_str(to, "{}");
		break;
	case JSON_IS_REAL:
		return err_set(err, E_INVALID, "a number with a fraction is not supported in YAML");
	}
	buf_chr(to, '\n');
	return 0;
}

static void indent(unsigned depth, struct buf *to)
{
	for (unsigned i = 0; i < depth; i++)
		buf_str(to, "  ");
}

static int put_block(const struct json *j, unsigned depth, struct buf *to, struct err *err);

/* The first line of the block is indented already. */
static int put_array(const struct json *j, unsigned depth, struct buf *to, struct err *err)
{
	for (size_t i = 0; i < json_count(j); i++) {
		const struct json *value = json_at(j, i);

		indent(i ? depth : 0, to);
		buf_str(to, "- ");
		if (is_block(value) ? put_block(value, depth + 1, to, err) < 0
				    : put_line_end_value(value, to, err) < 0)
			return -1;
	}
	return 0;
}

static int put_object(const struct json *j, unsigned depth, struct buf *to, struct err *err)
{
	void *first = json_begin(j);

	for (void *it = first; it; it = json_after(j, it)) {
		const struct json *value = json_value(it);
		size_t before = to->len;

		indent(it == first ? 0 : depth, to);
		put_string(json_key(it), to);
		if (to->len - before > YAML_KEY_MAX)
			return err_set(err, E_LIMIT, "a key of more than %d bytes", YAML_KEY_MAX);
		buf_chr(to, ':');
		buf_chr(to, is_block(value) ? '\n' : ' ');
		indent(is_block(value) ? depth + 1 : 0, to);
		if (is_block(value) ? put_block(value, depth + 1, to, err) < 0
				    : put_line_end_value(value, to, err) < 0)
			return -1;
	}
	return 0;
}

static int put_block(const struct json *j, unsigned depth, struct buf *to, struct err *err)
{
	if (depth >= YAML_DEPTH)
		return err_set(err, E_LIMIT, "nested deeper than %d", YAML_DEPTH);
	return json_kind(j) == JSON_IS_ARRAY ? put_array(j, depth, to, err)
					     : put_object(j, depth, to, err);
}

int yaml_format(const struct json *j, struct buf *to, struct err *err)
{
	if (is_block(j) ? put_block(j, 0, to, err) < 0 : put_line_end_value(j, to, err) < 0)
		return -1;
	return buf_check(to, "the YAML text", err);
}
