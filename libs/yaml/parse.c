// SPDX-License-Identifier: Apache-2.0
/*
 * libyaml's events as JSON values. The document API of libyaml is not used: it builds the whole
 * tree with aliases resolved before anything could be rejected.
 */

#include "base/mem.h"
#include "base/str.h"
#include "yaml/yaml.h"

#include <stdint.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; empty before the first */
	const char *name, *text;
	size_t len;
	unsigned depth;
	size_t values;
};

static void reader_release(struct reader *r)
{
	yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
}
DEFINE_AUTO_STRUCT(reader, struct reader, reader_release)

static int refuse_at(const struct reader *r, size_t line, size_t column, const char *why,
		     struct err *err)
{
	return err_set(err, E_INVALID, "%s:%zu:%zu: %s", r->name, line + 1, column + 1, why);
}

/* Fails at the position of the current event. */
static int refuse(const struct reader *r, const char *why, struct err *err)
{
	return refuse_at(r, r->event.start_mark.line, r->event.start_mark.column, why, err);
}

/* The decoder reports byte offsets only, not lines. */
static int refuse_byte(const struct reader *r, struct err *err)
{
	size_t line = 0, start = 0, end = r->parser.problem_offset;

	for (size_t i = 0; i < end && i < r->len; i++) {
		if (r->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	return refuse_at(r, line, end - start, r->parser.problem, err);
}

static int next(struct reader *r, struct err *err)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->parser, &r->event))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		bug("out of memory");
	if (r->parser.error == YAML_READER_ERROR)
		return refuse_byte(r, err);
	return refuse_at(r, r->parser.problem_mark.line, r->parser.problem_mark.column,
			 r->parser.problem ? r->parser.problem : "not YAML", err);
}

static bool is_one_of(const char *text, const char *const *list)
{
	return strv_has((char *const *)list, text);
}

static bool is_integer(const char *text)
{
	text += *text == '-' || *text == '+';
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static struct json *integer(const struct reader *r, const char *text, struct err *err)
{
	const char *digits = text + (*text == '-' || *text == '+');
	struct err ignored = ERR_INIT;
	int64_t small;
	uint64_t large;

	if (digits[0] == '0' && digits[1]) {
		refuse(r, "a number that begins with 0; omit the 0, or quote it", err);
		return NULL;
	}
	if (*text != '-' && str_u64(digits, 10, 0, UINT64_MAX, "n", &large, &ignored) == 0)
		return json_make_u64(large);
	if (*text == '-' && str_i64(text, INT64_MIN, INT64_MAX, "n", &small, &ignored) == 0)
		return json_make_int(small);
	refuse(r, "a number of more than 64 bits; quote it if it is a text", err);
	return NULL;
}

static struct json *plain(const struct reader *r, const char *text, struct err *err)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };

	if (is_one_of(text, nulls))
		return json_make_null();
	if (is_one_of(text, yes) || is_one_of(text, no))
		return json_make_bool(is_one_of(text, yes));
	return is_integer(text) ? integer(r, text, err) : json_make_string(text);
}

/* libyaml reports a lone "!" as a tag too. */
static int check_tag(const struct reader *r, const yaml_char_t *tag, const yaml_char_t *anchor,
		     struct err *err)
{
	if (anchor)
		return refuse(r, "anchors are not allowed", err);
	return tag ? refuse(r, "tags are not allowed", err) : 0;
}

static struct json *read_scalar(struct reader *r, struct err *err)
{
	const char *text = (const char *)r->event.data.scalar.value;

	if (check_tag(r, r->event.data.scalar.tag, r->event.data.scalar.anchor, err) < 0)
		return NULL;
	if (strlen(text) != r->event.data.scalar.length) {
		refuse(r, "U+0000 is not allowed", err);
		return NULL;
	}
	return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain(r, text, err)
								     : json_make_string(text);
}

static struct json *read_value(struct reader *r, struct err *err);

static int enter(struct reader *r, struct err *err)
{
	if (r->depth++ < YAML_DEPTH)
		return 0;
	return err_set(err, E_LIMIT, "%s:%zu: nested deeper than %d", r->name,
		       r->event.start_mark.line + 1, YAML_DEPTH);
}

static struct json *read_sequence(struct reader *r, struct err *err)
{
	AUTO(json) struct json *list = json_make_array();

	if (check_tag(r, r->event.data.sequence_start.tag, r->event.data.sequence_start.anchor,
		      err) < 0 ||
	    enter(r, err) < 0 || next(r, err) < 0)
		return NULL;
	while (r->event.type != YAML_SEQUENCE_END_EVENT) {
		struct json *value = read_value(r, err);

		if (!value)
			return NULL;
		json_add(list, value);
		if (next(r, err) < 0)
			return NULL;
	}
	r->depth--;
	return STEAL(list, NULL);
}

/* The key, heap; NULL if it is not a valid key or a duplicate. */
static char *read_key(struct reader *r, const struct json *object, struct err *err)
{
	AUTO(json) struct json *key = NULL;

	if (r->event.type == YAML_SCALAR_EVENT &&
	    r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    str_eq((const char *)r->event.data.scalar.value, "<<")) {
		refuse(r, "merge keys are not allowed", err);
		return NULL;
	}
	key = read_value(r, err);
	if (!key)
		return NULL;
	if (json_kind(key) != JSON_IS_STRING) {
		refuse(r, "a key that is not a string; quote it", err);
		return NULL;
	}
	if (json_get(object, json_text(key))) {
		refuse(r, "duplicate key", err);
		return NULL;
	}
	return xstrdup(json_text(key));
}

static struct json *read_mapping(struct reader *r, struct err *err)
{
	AUTO(json) struct json *object = json_make_object();

	if (check_tag(r, r->event.data.mapping_start.tag, r->event.data.mapping_start.anchor, err) <
		    0 ||
	    enter(r, err) < 0 || next(r, err) < 0)
		return NULL;
	while (r->event.type != YAML_MAPPING_END_EVENT) {
		AUTO(str) char *key = read_key(r, object, err);
		struct json *value = key && next(r, err) == 0 ? read_value(r, err) : NULL;

		if (!value)
			return NULL;
		json_put(object, key, value);
		if (next(r, err) < 0)
			return NULL;
	}
	r->depth--;
	return STEAL(object, NULL);
}

/* Reads the value that begins with the current event; afterwards its last event is current. */
static struct json *read_value(struct reader *r, struct err *err)
{
	if (++r->values > YAML_VALUES) {
		err_set(err, E_LIMIT, "%s: more than %d values", r->name, YAML_VALUES);
		return NULL;
	}
	switch ((int)r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, err);
	case YAML_SEQUENCE_START_EVENT:
		return read_sequence(r, err);
	case YAML_MAPPING_START_EVENT:
		return read_mapping(r, err);
	case YAML_ALIAS_EVENT:
		refuse(r, "aliases are not allowed", err);
		return NULL;
	default:
		refuse(r, "a value is missing", err);
		return NULL;
	}
}

/* Advances to the first event of the only document's value. */
static int begin(struct reader *r, struct err *err)
{
	if (next(r, err) < 0 || next(r, err) < 0)
		return -1;
	if (r->event.type != YAML_DOCUMENT_START_EVENT)
		return refuse(r, "there is no document in it", err);
	if (r->event.data.document_start.version_directive ||
	    r->event.data.document_start.tag_directives.start !=
		    r->event.data.document_start.tag_directives.end)
		return refuse(r, "directives are not allowed", err);
	return next(r, err);
}

static int end(struct reader *r, struct err *err)
{
	if (next(r, err) < 0 || next(r, err) < 0)
		return -1;
	return r->event.type == YAML_STREAM_END_EVENT
		       ? 0
		       : refuse(r, "more than one document in it", err);
}

struct json *yaml_parse(const char *text, size_t len, const char *name, struct err *err)
{
	AUTO(reader) struct reader r = { .name = name, .text = text, .len = len };
	AUTO(json) struct json *value = NULL;

	if (!yaml_parser_initialize(&r.parser))
		bug("out of memory");
	/* Otherwise a byte order mark would choose UTF-16. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	if (begin(&r, err) < 0)
		return NULL;
	value = read_value(&r, err);
	if (!value || end(&r, err) < 0)
		return NULL;
	return STEAL(value, NULL);
}
