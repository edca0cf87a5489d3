// SPDX-License-Identifier: Apache-2.0
/*
 * The jansson adapter. jansson's integers are int64; OCI documents have unsigned 64-bit values
 * (RLIM_INFINITY). They are represented as strings that begin with U+0001:
 *
 *	U+0001 "u64:" digits	a number above INT64_MAX
 *	U+0001 "s" text		a string or key whose text itself begins with U+0001
 *
 * Every string and key from outside passes store() or prepare(), so none can be mistaken for a
 * number.
 */

#include "json/json.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum { DEPTH_MAX = 128 };

#define BIG          "\x01u64:"
#define BIG_ESCAPED  "\"\\u0001u64:"
#define TEXT         "\x01s"
#define TEXT_ESCAPED "\\u0001s"
#define MARK_ESCAPED "\\u0001"

DEFINE_AUTO(jansson, json_t *, NULL, json_decref)

static json_t *in(const struct json *j)
{
	return (json_t *)j;
}

static struct json *out(json_t *j)
{
	if (!j)
		bug("out of memory or invalid UTF-8 in JSON that we made");
	return (struct json *)j;
}

/* Text in its stored form; bytes of invalid UTF-8 become '?'. */
static json_t *store(const char *text)
{
	AUTO(str) char *kept = str_fmt("%s%s", text[0] == TEXT[0] ? TEXT : "", text);
	json_t *j = json_string(kept);

	if (j)
		return j;
	str_make_utf8(kept);
	return (json_t *)out(json_string(kept));
}

static const char *shown(const char *kept)
{
	return str_starts(kept, TEXT) ? kept + strlen(TEXT) : kept;
}

static bool is_big(const struct json *j)
{
	return json_is_string(in(j)) && str_starts(json_string_value(in(j)), BIG);
}

/* True for a number token that fits uint64 but not int64. */
static bool token_is_big(const char *p, size_t len)
{
	AUTO(str) char *token = len >= 19 && len <= 20 ? xstrndup(p, len) : NULL;
	struct err ignored = ERR_INIT;
	uint64_t v;

	return token &&
	       str_u64(token, 10, (uint64_t)INT64_MAX + 1, UINT64_MAX, "n", &v, &ignored) == 0;
}

/* Copies text with large numbers quoted and strings that look like one marked; *deep: the nesting
 * depth. */
static void prepare(const char *text, size_t len, struct buf *to, unsigned *deep)
{
	bool quoted = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		size_t n = 0;

		if (quoted) {
			buf_chr(to, text[i]);
			if (text[i] == '\\' && i + 1 < len)
				buf_chr(to, text[++i]);
			else if (text[i] == '"')
				quoted = false;
			continue;
		}
		while (i + n < len && strchr("0123456789+-.eE", text[i + n]) && text[i + n])
			n++;
		if (n && token_is_big(text + i, n)) {
			buf_str(to, BIG_ESCAPED);
			buf_add(to, text + i, n);
			buf_chr(to, '"');
		} else if (n) {
			buf_add(to, text + i, n);
		} else {
			quoted = text[i] == '"';
			if (text[i] == '{' || text[i] == '[')
				depth++;
			else if ((text[i] == '}' || text[i] == ']') && depth)
				depth--;
			*deep = depth > *deep ? depth : *deep;
			buf_chr(to, text[i]);
			if (quoted && len - i > strlen(MARK_ESCAPED) &&
			    memcmp(text + i + 1, MARK_ESCAPED, strlen(MARK_ESCAPED)) == 0)
				buf_str(to, TEXT_ESCAPED);
			continue;
		}
		i += n - 1;
	}
}

struct json *json_parse(const char *text, size_t len, const char *name, struct err *err)
{
	AUTO(buf) struct buf prepared = BUF_INIT(8 * len + 64);
	json_error_t why;
	unsigned deep = 0;
	json_t *j;

	prepare(text, len, &prepared, &deep);
	if (deep > DEPTH_MAX) {
		err_set(err, E_LIMIT, "%s: nested deeper than %d", name, DEPTH_MAX);
		return NULL;
	}
	j = json_loadb(buf_cstr(&prepared), prepared.len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		err_set(err, E_INVALID, "%s:%d:%d: %s", name, why.line, why.column, why.text);
	return (struct json *)j;
}

void json_free(struct json *j)
{
	json_decref(in(j));
}

struct json *json_share(const struct json *j)
{
	return (struct json *)json_incref(in(j));
}

enum json_kind json_kind(const struct json *j)
{
	switch (json_typeof(in(j))) {
	case JSON_OBJECT:
		return JSON_IS_OBJECT;
	case JSON_ARRAY:
		return JSON_IS_ARRAY;
	case JSON_STRING:
		return is_big(j) ? JSON_IS_INT : JSON_IS_STRING;
	case JSON_INTEGER:
		return JSON_IS_INT;
	case JSON_REAL:
		return JSON_IS_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_IS_BOOL;
	case JSON_NULL:
		return JSON_IS_NULL;
	}
	bug("type of a JSON value");
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = { "null",     "a boolean", "an integer", "a number",
					     "a string", "an array",  "an object" };

	return names[kind];
}

bool json_bool(const struct json *j)
{
	return json_is_true(in(j));
}

int64_t json_int(const struct json *j)
{
	return is_big(j) ? INT64_MAX : json_integer_value(in(j));
}

int json_u64(const struct json *j, uint64_t *value)
{
	struct err ignored = ERR_INIT;

	if (is_big(j))
		return str_u64(json_string_value(in(j)) + strlen(BIG), 10, 0, UINT64_MAX, "n",
			       value, &ignored);
	if (json_integer_value(in(j)) < 0)
		return -1;
	*value = (uint64_t)json_integer_value(in(j));
	return 0;
}

double json_number(const struct json *j)
{
	return json_number_value(in(j));
}

const char *json_text(const struct json *j)
{
	return shown(json_string_value(in(j)));
}

size_t json_count(const struct json *j)
{
	return json_is_array(in(j)) ? json_array_size(in(j)) : json_object_size(in(j));
}

struct json *json_at(const struct json *array, size_t i)
{
	return (struct json *)json_array_get(in(array), i);
}

struct json *json_get(const struct json *object, const char *key)
{
	AUTO(jansson) json_t *kept = key[0] == TEXT[0] ? store(key) : NULL;

	return (struct json *)json_object_get(in(object), kept ? json_string_value(kept) : key);
}

const char *json_get_text(const struct json *object, const char *key)
{
	const struct json *j = object && json_kind(object) == JSON_IS_OBJECT ? json_get(object, key)
									     : NULL;

	return j && json_kind(j) == JSON_IS_STRING ? json_text(j) : NULL;
}

int json_get_strings(const struct json *object, const char *key, char ***list)
{
	const struct json *j = object && json_kind(object) == JSON_IS_OBJECT ? json_get(object, key)
									     : NULL;

	if (!j || json_kind(j) != JSON_IS_ARRAY)
		return -1;
	for (size_t i = 0; i < json_count(j); i++) {
		if (json_kind(json_at(j, i)) != JSON_IS_STRING)
			return -1;
		strv_push(list, json_text(json_at(j, i)));
	}
	return 0;
}

void *json_begin(const struct json *object)
{
	return json_object_iter(in(object));
}

void *json_after(const struct json *object, void *it)
{
	return json_object_iter_next(in(object), it);
}

const char *json_key(void *it)
{
	return shown(json_object_iter_key(it));
}

struct json *json_value(void *it)
{
	return (struct json *)json_object_iter_value(it);
}

struct json *json_make_object(void)
{
	return out(json_object());
}

struct json *json_make_array(void)
{
	return out(json_array());
}

struct json *json_make_string(const char *s)
{
	return (struct json *)(s ? store(s) : json_null());
}

struct json *json_make_int(int64_t v)
{
	return out(json_integer(v));
}

struct json *json_make_u64(uint64_t v)
{
	char text[40];

	if (v <= INT64_MAX)
		return out(json_integer((json_int_t)v));
	(void)str_print(text, sizeof(text), BIG "%" PRIu64, v);
	return out(json_string(text));
}

struct json *json_make_real(double v)
{
	return out(json_real(v));
}

struct json *json_make_bool(bool v)
{
	return out(json_boolean(v));
}

struct json *json_make_null(void)
{
	return out(json_null());
}

void json_put(struct json *object, const char *key, struct json *value)
{
	AUTO(jansson) json_t *kept = store(key);

	if (json_object_set_new(in(object), json_string_value(kept), in(value)) < 0)
		bug("key '%s' of a JSON object", key);
}

void json_add(struct json *array, struct json *value)
{
	if (json_array_append_new(in(array), in(value)) < 0)
		bug("append to a JSON array");
}

/* Copies one string, from its opening quote on, without the mark of its stored form. */
static void copy_string(const char **from, char **to)
{
	*(*to)++ = *(*from)++;
	if (str_starts(*from, TEXT_ESCAPED))
		*from += strlen(TEXT_ESCAPED);
	while (**from != '"') {
		if (**from == '\\')
			*(*to)++ = *(*from)++;
		*(*to)++ = *(*from)++;
	}
	*(*to)++ = *(*from)++;
}

char *json_format(const struct json *j, bool pretty)
{
	char *text = json_dumps(in(j), JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT));
	const char *from = text;
	char *to = text;

	if (!text)
		bug("JSON that cannot be printed");
	/* In place: the stored form is never shorter than the shown one. */
	while (*from) {
		if (str_starts(from, BIG_ESCAPED)) {
			from += strlen(BIG_ESCAPED);
			while (isdigit((unsigned char)*from))
				*to++ = *from++;
			from++; /* the closing quote */
		} else if (*from == '"') {
			copy_string(&from, &to);
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}
