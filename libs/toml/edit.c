// SPDX-License-Identifier: Apache-2.0
/*
 * The parser gives the positions of the array and its elements; the lexer reads what is between
 * them (commas, blanks, newlines, comments). The result is parsed again, so an edit that would
 * break the document is an error.
 */
#include "toml/edit.h"

#include "toml/toml.h"

#include <string.h>

/* Positions that determine where a line of the root table may be inserted. */
struct root_end {
	size_t header;    /* start of the line of the first table header; len if there is none */
	size_t last_pair; /* just after the newline of the last root pair, or 0 */
	size_t mark;      /* the length of a byte order mark */
	const char *newline;
};

struct cut {
	size_t from, to;
};

static size_t line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

/* Just after the newline that ends the line of at, or len. */
static size_t line_end(const char *text, size_t len, size_t at)
{
	const char *newline = at < len ? memchr(text + at, '\n', len - at) : NULL;

	return newline ? (size_t)(newline - text) + 1 : len;
}

static bool only_blanks(const char *text, size_t from, size_t to)
{
	for (; from < to; from++)
		if (text[from] != ' ' && text[from] != '\t' && text[from] != '\r' &&
		    text[from] != '\n')
			return false;
	return true;
}

static const char *newline_of(const char *text, size_t len)
{
	const char *newline = len ? memchr(text, '\n', len) : NULL;

	return newline && newline > text && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* Lexes up to the end of a root pair's line; values may span lines inside their brackets. */
static int skip_pair(struct toml_lexer *lx, struct toml_token *t, struct err *err)
{
	enum toml_place place = TOML_AT_KEY;
	unsigned open = 0;

	while (t->kind != TOML_TOKEN_END && (t->kind != TOML_TOKEN_NEWLINE || open)) {
		if (t->kind == TOML_TOKEN_EQUALS)
			place = TOML_AT_VALUE;
		else if (t->kind == TOML_TOKEN_OPEN_BRACKET || t->kind == TOML_TOKEN_OPEN_BRACE)
			open++;
		else if (t->kind == TOML_TOKEN_CLOSE_BRACKET || t->kind == TOML_TOKEN_CLOSE_BRACE)
			open--;
		if (toml_lex(lx, place, t, err) < 0)
			return -1;
	}
	return 0;
}

static int find_root_end(const char *file, const char *text, size_t len, struct root_end *out,
			 struct err *err)
{
	AUTO(toml_lexer) struct toml_lexer lx = { 0 };
	struct toml_token t;

	if (toml_lexer_init(&lx, file, text, len, err) < 0)
		return -1;
	*out = (struct root_end){ len, 0, lx.at, newline_of(text, len) };
	do {
		if (toml_lex(&lx, TOML_AT_KEY, &t, err) < 0)
			return -1;
		if (t.kind == TOML_TOKEN_OPEN_BRACKET) {
			out->header = line_start(text, t.span.offset);
			if (out->header < out->mark)
				out->header = out->mark;
			return 0;
		}
		if (t.kind == TOML_TOKEN_BARE || t.kind == TOML_TOKEN_STRING) {
			if (skip_pair(&lx, &t, err) < 0)
				return -1;
			out->last_pair = lx.at;
		}
	} while (t.kind != TOML_TOKEN_END);
	return 0;
}

void toml_edit_quote(struct buf *out, const char *value)
{
	buf_chr(out, '"');
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_fmt(out, "\\%c", *c);
		else if ((unsigned char)*c < 0x20 || *c == 0x7F)
			buf_fmt(out, "\\u%04X", (unsigned)(unsigned char)*c);
		else
			buf_chr(out, *c);
	}
	buf_chr(out, '"');
}

static bool is_value(const struct toml_value *item, const char *value)
{
	size_t len = strlen(value);

	return item->string.len == len && memcmp(item->string.text, value, len) == 0;
}

/* Sets *out to the array of strings, or to NULL if the key is missing. */
static int find_array(const struct toml_value *root, const char *key, struct toml_value **out,
		      struct err *err)
{
	struct toml_value *v = toml_find(root, key);

	*out = v;
	if (!v)
		return 0;
	if (v->type != TOML_ARRAY)
		return err_set(err, E_CONFIG, "%s:%u: '%s' is %s, not an array", toml_file(root),
			       v->span.line, key, toml_type_name(v->type));
	for (size_t i = 0; i < v->array.n; i++)
		if (v->array.items[i]->type != TOML_STRING)
			return err_set(err, E_CONFIG,
				       "%s:%u: '%s' has an element that is %s, not a string",
				       toml_file(root), v->array.items[i]->span.line, key,
				       toml_type_name(v->array.items[i]->type));
	return 0;
}

static void splice(const char *text, size_t len, size_t at, const struct buf *what, struct buf *out)
{
	buf_add(out, text, at);
	buf_add(out, buf_cstr(what), what->len);
	buf_add(out, text + at, len - at);
}

/* Parses the result again. */
static int check_result(const char *file, const struct buf *out, struct err *err)
{
	AUTO(toml) struct toml_value *again = NULL;

	if (buf_check(out, file, err) < 0)
		return -1;
	again = toml_parse(file, buf_cstr(out), out->len, NULL, err);
	return again ? 0 : err_wrap(err, "after the edit");
}

static int add_line(const char *file, const char *text, size_t len, const char *key,
		    const char *value, struct buf *out, struct err *err)
{
	AUTO(buf) struct buf line = BUF_INIT(out->max);
	struct root_end end;
	size_t at;
	bool open;

	if (find_root_end(file, text, len, &end, err) < 0)
		return -1;
	at = end.last_pair ? end.last_pair : end.header;
	/* If the last line has no newline, neither does ours. */
	open = at == len && len > end.mark && text[len - 1] != '\n';
	if (open)
		buf_str(&line, end.newline);
	buf_fmt(&line, "%s = [", key);
	toml_edit_quote(&line, value);
	buf_chr(&line, ']');
	if (!open)
		buf_str(&line, end.newline);
	splice(text, len, at, &line, out);
	return check_result(file, out, err) < 0 ? -1 : TOML_EDITED_NEW;
}

int toml_edit_add_string(const char *file, const char *text, size_t len, const char *key,
			 const char *value, struct buf *out, struct err *err)
{
	AUTO(toml) struct toml_value *root = toml_parse(file, text, len, NULL, err);
	AUTO(buf) struct buf item = BUF_INIT(out->max);
	struct toml_value *array;
	size_t at;

	if (!root || find_array(root, key, &array, err) < 0)
		return -1;
	if (!array)
		return add_line(file, text, len, key, value, out, err);
	at = array->span.offset + 1;
	for (size_t i = 0; i < array->array.n; i++) {
		const struct toml_value *v = array->array.items[i];

		if (is_value(v, value)) {
			buf_add(out, text, len);
			return buf_check(out, file, err);
		}
		at = v->span.offset + v->span.len;
	}
	if (array->array.n)
		buf_str(&item, ", ");
	toml_edit_quote(&item, value);
	splice(text, len, at, &item, out);
	return check_result(file, out, err) < 0 ? -1 : TOML_EDITED;
}

/* --- removing --- */

/* The first token after at that is not a newline; *tangled: a comment or a newline came first. */
static int token_after(const char *file, const char *text, size_t len, size_t at,
		       struct toml_token *t, bool *tangled, struct err *err)
{
	AUTO(toml_lexer) struct toml_lexer lx = { 0 };

	*tangled = false;
	if (toml_lexer_init(&lx, file, text, len, err) < 0)
		return -1;
	lx.at = at;
	for (;;) {
		if (toml_lex(&lx, TOML_AT_VALUE, t, err) < 0)
			return -1;
		if (t->kind != TOML_TOKEN_NEWLINE && t->kind != TOML_TOKEN_COMMENT)
			return 0;
		*tangled = true;
	}
}

/* Extends a cut that would leave a line of blanks to the whole line. */
static struct cut whole_line(const char *text, size_t len, struct cut c)
{
	size_t from = line_start(text, c.from), to = line_end(text, len, c.to);

	if (from > 0 && to > c.to && text[to - 1] == '\n' && only_blanks(text, from, c.from) &&
	    only_blanks(text, c.to, to))
		return (struct cut){ from, to };
	return c;
}

static void cut_out(const char *text, size_t len, const struct cut cuts[2], struct buf *out)
{
	buf_add(out, text, cuts[0].from);
	buf_add(out, text + cuts[0].to, cuts[1].from - cuts[0].to);
	buf_add(out, text + cuts[1].to, len - cuts[1].to);
}

/* Cuts the element at index i with one comma. A comment beside it stays. */
static int cut_item(const char *file, const char *text, size_t len, const struct toml_array *array,
		    size_t i, struct cut cuts[2], struct err *err)
{
	const struct toml_span *span = &array->items[i]->span;
	struct cut c = { span->offset, span->offset + span->len };
	struct toml_token t;
	bool tangled;

	cuts[1] = (struct cut){ len, len };
	if (i > 0) {
		const struct toml_span *before = &array->items[i - 1]->span;
		size_t from = before->offset + before->len;

		if (token_after(file, text, len, from, &t, &tangled, err) < 0)
			return -1;
		/* As added: , "VALUE" */
		if (!tangled && !memchr(text + t.span.offset, '\n', c.from - t.span.offset)) {
			cuts[0] = (struct cut){ from, c.to };
			return 0;
		}
	}
	if (token_after(file, text, len, c.to, &t, &tangled, err) < 0)
		return -1;
	if (t.kind == TOML_TOKEN_COMMA && !tangled) {
		c.to = t.span.offset + 1;
		while (i == 0 && array->n > 1 && c.to < len &&
		       (text[c.to] == ' ' || text[c.to] == '\t'))
			c.to++;
	} else if (t.kind == TOML_TOKEN_COMMA) {
		cuts[1] = (struct cut){ t.span.offset, t.span.offset + 1 };
	}
	cuts[0] = whole_line(text, len, c);
	return 0;
}

/* Cuts the line that was added, if there is nothing else in it. */
static bool cut_line(const char *text, size_t len, const struct toml_entry *e, struct cut *c)
{
	const struct toml_span *array = &e->value->span, *item = &e->value->array.items[0]->span;
	size_t close = array->offset + array->len, from = line_start(text, e->key_span.offset);
	size_t after = item->offset + item->len;

	while (after < close && only_blanks(text, after, after + 1))
		after++;
	if (text[after] == ',')
		after++;
	if (from == 0 && len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		from = 3;
	*c = (struct cut){ from, line_end(text, len, close) };
	if (!only_blanks(text, from, e->key_span.offset) || !only_blanks(text, close, c->to) ||
	    !only_blanks(text, array->offset + 1, item->offset) ||
	    !only_blanks(text, after, close - 1))
		return false;
	/* The last line, without a newline: the newline before it was added too. */
	if (text[c->to - 1] != '\n' && from > 0 && text[from - 1] == '\n') {
		c->from--;
		if (c->from > 0 && text[c->from - 1] == '\r')
			c->from--;
	}
	return true;
}

static const struct toml_entry *find_entry(const struct toml_value *root, const char *key)
{
	const struct toml_value *v = toml_find(root, key);

	toml_each(entry, root)
	{
		if (entry->value == v)
			return entry;
	}
	return NULL;
}

int toml_edit_remove_string(const char *file, const char *text, size_t len, const char *key,
			    const char *value, bool created, struct buf *out, struct err *err)
{
	AUTO(toml) struct toml_value *root = toml_parse(file, text, len, NULL, err);
	struct cut cuts[2] = { { 0, 0 }, { len, len } };
	struct toml_value *array;
	size_t i;

	if (!root || find_array(root, key, &array, err) < 0)
		return -1;
	i = array ? array->array.n : 0;
	while (i > 0 && !is_value(array->array.items[i - 1], value))
		i--;
	if (i == 0) {
		buf_add(out, text, len);
		return buf_check(out, file, err);
	}
	if (!created || array->array.n > 1 ||
	    !cut_line(text, len, find_entry(root, key), &cuts[0])) {
		if (cut_item(file, text, len, &array->array, i - 1, cuts, err) < 0)
			return -1;
	}
	cut_out(text, len, cuts, out);
	return check_result(file, out, err) < 0 ? -1 : TOML_EDITED;
}

/* --- removing a table --- */

struct removal {
	const char *const *path;
	size_t n;
	bool below;     /* the lines since the last header belong to the table */
	bool any;       /* lines were cut */
	struct cut cut; /* the next lines to be cut; to is 0 if there are none */
	size_t copied;  /* so much of the document is in out, or was cut */
};

static bool follows_blank(const char *text, size_t at)
{
	return at == 0 || only_blanks(text, line_start(text, at - 1), at);
}

static void cut_lines(struct removal *r, const char *text, size_t len, struct buf *out)
{
	struct cut *c = &r->cut;

	if (!c->to)
		return;
	while (follows_blank(text, c->from) && c->to < len &&
	       only_blanks(text, c->to, line_end(text, len, c->to)))
		c->to = line_end(text, len, c->to);
	buf_add(out, text + r->copied, c->from - r->copied);
	r->copied = c->to;
	r->any = true;
	c->to = 0;
}

/* Reads a header, t being its first bracket, up to the end of its line. */
static int read_header(struct removal *r, struct toml_lexer *lx, struct toml_token *t,
		       struct err *err)
{
	size_t same = 0, keys = 0;

	while (t->kind != TOML_TOKEN_NEWLINE && t->kind != TOML_TOKEN_END) {
		bool quoted;

		if (toml_lex(lx, TOML_AT_KEY, t, err) < 0)
			return -1;
		quoted = t->kind == TOML_TOKEN_STRING;
		if (!quoted && t->kind != TOML_TOKEN_BARE)
			continue;
		const char *key = quoted ? buf_cstr(&lx->value) : lx->text + t->span.offset;
		size_t size = quoted ? lx->value.len : t->span.len;

		if (keys < r->n && same == keys && strlen(r->path[keys]) == size &&
		    memcmp(r->path[keys], key, size) == 0)
			same++;
		keys++;
	}
	r->below = same == r->n;
	return 0;
}

static int read_lines(struct removal *r, struct toml_lexer *lx, struct buf *out, struct err *err)
{
	size_t mark = lx->at;
	struct toml_token t;

	do {
		if (toml_lex(lx, TOML_AT_KEY, &t, err) < 0)
			return -1;
		if (t.kind == TOML_TOKEN_OPEN_BRACKET) {
			size_t start = line_start(lx->text, t.span.offset);

			if (read_header(r, lx, &t, err) < 0)
				return -1;
			if (!r->below)
				cut_lines(r, lx->text, lx->len, out);
			else if (!r->cut.to)
				r->cut.from = start < mark ? mark : start;
		} else if (t.kind != TOML_TOKEN_BARE && t.kind != TOML_TOKEN_STRING) {
			continue;
		} else if (skip_pair(lx, &t, err) < 0) {
			return -1;
		}
		if (r->below)
			r->cut.to = lx->at;
	} while (t.kind != TOML_TOKEN_END);
	cut_lines(r, lx->text, lx->len, out);
	return 0;
}

int toml_edit_remove_table(const char *file, const char *text, size_t len, const char *const *path,
			   size_t n, struct buf *out, struct err *err)
{
	AUTO(toml) struct toml_value *root = toml_parse(file, text, len, NULL, err);
	AUTO(toml_lexer) struct toml_lexer lx = { 0 };
	struct removal r = { .path = path, .n = n };

	if (!root || toml_lexer_init(&lx, file, text, len, err) < 0 ||
	    read_lines(&r, &lx, out, err) < 0)
		return -1;
	buf_add(out, text + r.copied, len - r.copied);
	return check_result(file, out, err) < 0 ? -1 : r.any ? TOML_EDITED : 0;
}
