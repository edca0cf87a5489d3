// SPDX-License-Identifier: Apache-2.0
/*
 * The grammar, by recursive descent, and the rules that decide which key may be defined when (enum
 * toml_defined):
 *
 *	found there       [a] of [a.b]         [a]             [[a]]              a of a.b = 1
 *	nothing           makes by path        makes by header makes by headers   makes by dots
 *	table by path     continues            becomes header  error              error
 *	table by header   continues            error           error              error
 *	table by dots     continues            error           error              continues
 *	table by value    error                error           error              error
 *	array by headers  continues in its     error           appends a table    error
 *	                  last table
 *	array by value    error                error           error              error
 *	other value       error                error           error              error
 */
#include "toml/toml-internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"

#include <fcntl.h>
#include <string.h>

struct part {
	char *text;
	size_t len;
	struct toml_span span;
};

struct path {
	struct part *v;
	size_t n, cap;
};

struct parser {
	struct toml_lexer lx;
	struct toml_token token; /* the current one */
	struct toml_limits limits;
	struct toml_origin *origin;
	struct toml_value *root;
};

static void path_release(struct path *path)
{
	for (size_t i = 0; i < path->n; i++)
		free(path->v[i].text);
	vec_release(path);
}

DEFINE_AUTO_STRUCT(path, struct path, path_release)

static void parser_release(struct parser *p)
{
	toml_lexer_release(&p->lx);
	toml_free(p->root);
	if (p->origin)
		toml_origin_unref(p->origin);
}

DEFINE_AUTO_STRUCT(parser, struct parser, parser_release)

static int parse_value(struct parser *p, unsigned depth, struct toml_value **out, struct err *err);

static int next(struct parser *p, enum toml_place place, struct err *err)
{
	return toml_lex(&p->lx, place, &p->token, err);
}

static int unexpected(const struct parser *p, const char *expected, struct err *err)
{
	return toml_lex_fail(&p->lx, &p->token.span, err, "expected %s, found %s", expected,
			     toml_token_name(p->token.kind));
}

static int check_depth(const struct parser *p, unsigned depth, const struct toml_span *span,
		       struct err *err)
{
	if (depth <= p->limits.depth)
		return 0;
	return err_set(err, E_LIMIT, "%s:%u:%u: nested deeper than %u levels", p->lx.file,
		       span->line, span->column, p->limits.depth);
}

static int fail_defined(const struct parser *p, const struct part *part,
			const struct toml_value *there, struct err *err)
{
	return toml_lex_fail(&p->lx, &part->span, err, "'%.100s' is %s already, defined in line %u",
			     part->text, toml_type_name(there->type), there->span.line);
}

/* Parses one part of a key, from the current token. */
static int parse_part(struct parser *p, struct path *path, struct err *err)
{
	struct part part = { .span = p->token.span };

	if (p->token.kind == TOML_TOKEN_BARE) {
		part.len = p->token.span.len;
		part.text = xstrndup(p->lx.text + p->token.span.offset, part.len);
	} else if (p->token.kind == TOML_TOKEN_STRING) {
		part.len = p->lx.value.len;
		part.text = xcalloc(part.len + 1, 1);
		if (part.len > 0)
			memcpy(part.text, p->lx.value.data, part.len);
	} else {
		return unexpected(p, "a key", err);
	}
	vec_push(path, part);
	return 0;
}

/* Parses a key. The current token is then the one after it. */
static int parse_key(struct parser *p, struct path *path, struct err *err)
{
	for (;;) {
		if (parse_part(p, path, err) < 0 ||
		    check_depth(p, (unsigned)path->n, &p->token.span, err) < 0 ||
		    next(p, TOML_AT_KEY, err) < 0)
			return -1;
		if (p->token.kind != TOML_TOKEN_DOT)
			return 0;
		if (next(p, TOML_AT_KEY, err) < 0)
			return -1;
	}
}

static struct toml_value *new_table(struct parser *p, enum toml_defined how,
				    const struct toml_span *span)
{
	struct toml_value *table = toml_value_new(TOML_TABLE, p->origin, span);

	table->defined = (unsigned char)how;
	return table;
}

static struct toml_value *add_table(struct parser *p, struct toml_value *to,
				    const struct part *part, enum toml_defined how)
{
	struct toml_value *table = new_table(p, how, &part->span);

	toml_table_add(&to->table, part->text, part->len, &part->span, table);
	return table;
}

/* Descends one step along the path of a header. */
static int step_header(struct parser *p, struct toml_value **at, const struct part *part,
		       unsigned *depth, struct err *err)
{
	struct toml_entry *entry = toml_table_find(&(*at)->table, part->text, part->len);
	struct toml_value *there = entry ? entry->value : NULL;

	++*depth;
	if (!there) {
		*at = add_table(p, *at, part, TOML_BY_PATH);
	} else if (there->type == TOML_TABLE && there->defined != TOML_BY_VALUE) {
		*at = there;
	} else if (there->type == TOML_ARRAY && there->defined == TOML_BY_HEADERS) {
		*at = there->array.items[there->array.n - 1];
		++*depth;
	} else {
		return fail_defined(p, part, there, err);
	}
	return check_depth(p, *depth, &part->span, err);
}

static int define_table(struct parser *p, struct toml_value **at, const struct part *part,
			struct err *err)
{
	struct toml_entry *entry = toml_table_find(&(*at)->table, part->text, part->len);

	if (!entry) {
		*at = add_table(p, *at, part, TOML_BY_HEADER);
		return 0;
	}
	if (entry->value->type != TOML_TABLE || entry->value->defined != TOML_BY_PATH)
		return fail_defined(p, part, entry->value, err);
	entry->value->defined = TOML_BY_HEADER;
	*at = entry->value;
	return 0;
}

static int append_table(struct parser *p, struct toml_value **at, const struct part *part,
			struct err *err)
{
	struct toml_entry *entry = toml_table_find(&(*at)->table, part->text, part->len);
	struct toml_value *array = entry ? entry->value : NULL;

	if (!array) {
		array = toml_value_new(TOML_ARRAY, p->origin, &part->span);
		array->defined = TOML_BY_HEADERS;
		toml_table_add(&(*at)->table, part->text, part->len, &part->span, array);
	} else if (array->type != TOML_ARRAY || array->defined != TOML_BY_HEADERS) {
		return fail_defined(p, part, array, err);
	}
	*at = new_table(p, TOML_BY_HEADER, &part->span);
	toml_array_add(&array->array, *at);
	return 0;
}

/* Parses the bracket that closes a header; the second one of ]] must follow the first directly. */
static int close_header(struct parser *p, bool array, struct err *err)
{
	size_t first = p->token.span.offset;

	if (p->token.kind != TOML_TOKEN_CLOSE_BRACKET)
		return unexpected(p, "']'", err);
	if (!array)
		return 0;
	if (next(p, TOML_AT_KEY, err) < 0)
		return -1;
	if (p->token.kind != TOML_TOKEN_CLOSE_BRACKET || p->token.span.offset != first + 1)
		return unexpected(p, "']]'", err);
	return 0;
}

/* [a.b] or [[a.b]]; *table: the table that the following lines fill. */
static int parse_header(struct parser *p, struct toml_value **table, unsigned *depth,
			struct err *err)
{
	AUTO(path) struct path path = VEC_INIT;
	size_t first = p->token.span.offset;
	const struct part *last;
	bool array;

	if (next(p, TOML_AT_KEY, err) < 0)
		return -1;
	array = p->token.kind == TOML_TOKEN_OPEN_BRACKET && p->token.span.offset == first + 1;
	if (array && next(p, TOML_AT_KEY, err) < 0)
		return -1;
	if (parse_key(p, &path, err) < 0 || close_header(p, array, err) < 0)
		return -1;
	*table = p->root;
	*depth = 0;
	for (size_t i = 0; i + 1 < path.n; i++)
		if (step_header(p, table, &path.v[i], depth, err) < 0)
			return -1;
	last = &path.v[path.n - 1];
	*depth += array ? 2 : 1;
	if (check_depth(p, *depth, &last->span, err) < 0)
		return -1;
	return array ? append_table(p, table, last, err) : define_table(p, table, last, err);
}

/* Descends one step along a dotted key. */
static int step_dots(struct parser *p, struct toml_value **at, const struct part *part,
		     struct err *err)
{
	struct toml_entry *entry = toml_table_find(&(*at)->table, part->text, part->len);

	if (!entry) {
		*at = add_table(p, *at, part, TOML_BY_DOTS);
		return 0;
	}
	if (entry->value->type != TOML_TABLE || entry->value->defined != TOML_BY_DOTS)
		return fail_defined(p, part, entry->value, err);
	*at = entry->value;
	return 0;
}

/* Parses KEY = VALUE into table. The current token is then the last one of the value. */
static int parse_pair(struct parser *p, struct toml_value *table, unsigned depth, struct err *err)
{
	AUTO(path) struct path path = VEC_INIT;
	struct toml_entry *there;
	struct toml_value *value;
	const struct part *last;

	if (parse_key(p, &path, err) < 0)
		return -1;
	if (p->token.kind != TOML_TOKEN_EQUALS)
		return unexpected(p, "'='", err);
	depth += (unsigned)path.n - 1;
	last = &path.v[path.n - 1];
	if (check_depth(p, depth, &last->span, err) < 0)
		return -1;
	for (size_t i = 0; i + 1 < path.n; i++)
		if (step_dots(p, &table, &path.v[i], err) < 0)
			return -1;
	there = toml_table_find(&table->table, last->text, last->len);
	if (there)
		return fail_defined(p, last, there->value, err);
	if (next(p, TOML_AT_VALUE, err) < 0 || parse_value(p, depth, &value, err) < 0)
		return -1;
	toml_table_add(&table->table, last->text, last->len, &last->span, value);
	return 0;
}

/* Ends the span of an array or inline table at the current token. */
static void close_span(const struct parser *p, struct toml_value *value)
{
	value->span.len = p->token.span.offset + p->token.span.len - value->span.offset;
}

/* Advances to the next token that is neither a newline nor a comment. */
static int next_item(struct parser *p, struct err *err)
{
	do {
		if (next(p, TOML_AT_VALUE, err) < 0)
			return -1;
	} while (p->token.kind == TOML_TOKEN_NEWLINE || p->token.kind == TOML_TOKEN_COMMENT);
	return 0;
}

static int parse_array(struct parser *p, unsigned depth, struct toml_value *array, struct err *err)
{
	for (;;) {
		struct toml_value *item;

		if (next_item(p, err) < 0)
			return -1;
		if (p->token.kind == TOML_TOKEN_CLOSE_BRACKET)
			return 0;
		if (parse_value(p, depth, &item, err) < 0)
			return -1;
		toml_array_add(&array->array, item);
		if (next_item(p, err) < 0)
			return -1;
		if (p->token.kind == TOML_TOKEN_CLOSE_BRACKET)
			return 0;
		if (p->token.kind != TOML_TOKEN_COMMA)
			return unexpected(p, "',' or ']'", err);
	}
}

static int parse_inline_table(struct parser *p, unsigned depth, struct toml_value *table,
			      struct err *err)
{
	if (next(p, TOML_AT_KEY, err) < 0)
		return -1;
	if (p->token.kind == TOML_TOKEN_CLOSE_BRACE)
		return 0;
	for (;;) {
		if (parse_pair(p, table, depth, err) < 0 || next(p, TOML_AT_KEY, err) < 0)
			return -1;
		if (p->token.kind == TOML_TOKEN_CLOSE_BRACE)
			return 0;
		if (p->token.kind != TOML_TOKEN_COMMA)
			return unexpected(p, "',' or '}' on the same line", err);
		if (next(p, TOML_AT_KEY, err) < 0)
			return -1;
	}
}

static int parse_scalar(struct parser *p, struct toml_value *value, struct err *err)
{
	const char *why;

	if (toml_scalar(p->lx.text + p->token.span.offset, p->token.span.len, value, &why) < 0)
		return toml_lex_fail(&p->lx, &p->token.span, err, "%s", why);
	return 0;
}

static void take_string(struct parser *p, struct toml_value *value)
{
	value->string.len = p->lx.value.len;
	value->string.text = xcalloc(p->lx.value.len + 1, 1);
	if (p->lx.value.len > 0)
		memcpy(value->string.text, p->lx.value.data, p->lx.value.len);
}

/* Parses a value, whose first token is the current one, in a table or an array of that depth. */
static int parse_value(struct parser *p, unsigned depth, struct toml_value **out, struct err *err)
{
	enum toml_token_kind kind = p->token.kind;
	AUTO(toml) struct toml_value *value = NULL;
	int rc = 0;

	if (kind == TOML_TOKEN_STRING || kind == TOML_TOKEN_LONG_STRING) {
		value = toml_value_new(TOML_STRING, p->origin, &p->token.span);
		take_string(p, value);
	} else if (kind == TOML_TOKEN_BARE) {
		value = toml_value_new(TOML_BOOL, p->origin, &p->token.span);
		rc = parse_scalar(p, value, err);
	} else if (kind == TOML_TOKEN_OPEN_BRACKET || kind == TOML_TOKEN_OPEN_BRACE) {
		bool array = kind == TOML_TOKEN_OPEN_BRACKET;

		value = toml_value_new(array ? TOML_ARRAY : TOML_TABLE, p->origin, &p->token.span);
		value->defined = TOML_BY_VALUE;
		if (check_depth(p, depth + 1, &p->token.span, err) < 0)
			return -1;
		rc = array ? parse_array(p, depth + 1, value, err)
			   : parse_inline_table(p, depth + 1, value, err);
		close_span(p, value);
	} else {
		return unexpected(p, "a value", err);
	}
	if (rc < 0)
		return -1;
	*out = STEAL(value, NULL);
	return 0;
}

static int end_line(struct parser *p, struct err *err)
{
	if (next(p, TOML_AT_KEY, err) < 0)
		return -1;
	if (p->token.kind == TOML_TOKEN_COMMENT && next(p, TOML_AT_KEY, err) < 0)
		return -1;
	if (p->token.kind != TOML_TOKEN_NEWLINE && p->token.kind != TOML_TOKEN_END)
		return unexpected(p, "the end of the line", err);
	return 0;
}

static int parse_document(struct parser *p, struct err *err)
{
	struct toml_value *table = p->root;
	unsigned depth = 0;

	for (;;) {
		if (next(p, TOML_AT_KEY, err) < 0)
			return -1;
		if (p->token.kind == TOML_TOKEN_END)
			return 0;
		if (p->token.kind == TOML_TOKEN_NEWLINE || p->token.kind == TOML_TOKEN_COMMENT)
			continue;
		if (p->token.kind == TOML_TOKEN_OPEN_BRACKET) {
			if (parse_header(p, &table, &depth, err) < 0)
				return -1;
		} else if (parse_pair(p, table, depth, err) < 0) {
			return -1;
		}
		if (end_line(p, err) < 0)
			return -1;
	}
}

struct toml_value *toml_parse(const char *file, const char *text, size_t len,
			      const struct toml_limits *limits, struct err *err)
{
	static const struct toml_limits usual = TOML_LIMITS;
	static const struct toml_span top = { .line = 1, .column = 1 };
	AUTO(parser) struct parser p = { .limits = limits ? *limits : usual };

	if (len > p.limits.size) {
		err_set(err, E_LIMIT, "%s: %zu bytes are more than the limit of %zu", file, len,
			p.limits.size);
		return NULL;
	}
	if (toml_lexer_init(&p.lx, file, text, len, err) < 0)
		return NULL;
	p.origin = toml_origin_new(file);
	p.root = new_table(&p, TOML_BY_HEADER, &top);
	if (parse_document(&p, err) < 0)
		return NULL;
	return STEAL(p.root, NULL);
}

struct toml_value *toml_load(const char *path, struct err *err)
{
	static const struct toml_limits usual = TOML_LIMITS;
	AUTO(buf) struct buf text = BUF_INIT(usual.size);

	if (file_read(AT_FDCWD, path, usual.size, &text, err) < 0)
		return NULL;
	return toml_parse(path, buf_cstr(&text), text.len, &usual, err);
}
