// SPDX-License-Identifier: Apache-2.0
/*
 * The lexer: bytes to tokens. It checks everything that is independent of the grammar: the
 * encoding, newlines, comments, and the contents of the four kinds of string.
 */
#include "toml/lex.h"

#include "base/str.h"
#include "toml/toml-internal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct toml_span span_at(const struct toml_lexer *lx, size_t offset)
{
	struct toml_span span = {
		.offset = offset,
		.line = lx->line,
		.column = (unsigned)(offset - lx->line_start) + 1,
	};

	return span;
}

int toml_lex_fail(const struct toml_lexer *lx, const struct toml_span *span, struct err *err,
		  const char *fmt, ...)
{
	char what[240];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	toml_make_printable(what);
	return err_set(err, E_CONFIG, "%s:%u:%u: %s", lx->file, span->line, span->column, what);
}

/* Fails at the lexer's current byte. */
static int fail_here(const struct toml_lexer *lx, struct err *err, const char *what)
{
	struct toml_span span = span_at(lx, lx->at);

	return toml_lex_fail(lx, &span, err, "%s", what);
}

static int check_encoding(struct toml_lexer *lx, struct err *err)
{
	struct toml_lexer at = *lx; /* a copy that counts lines */

	while (at.at < lx->len) {
		size_t n = str_utf8_length(lx->text + at.at, lx->len - at.at);

		if (n == 0)
			return fail_here(&at, err, "not UTF-8");
		if (lx->text[at.at] == '\n') {
			at.line++;
			at.line_start = at.at + 1;
		}
		at.at += n;
	}
	return 0;
}

int toml_lexer_init(struct toml_lexer *lx, const char *file, const char *text, size_t len,
		    struct err *err)
{
	static const char mark[] = "\xEF\xBB\xBF";

	*lx = (struct toml_lexer){
		.file = file,
		.text = text,
		.len = len,
		.line = 1,
		.value = BUF_INIT(len), /* an escape is never shorter than its value */
	};
	if (len >= 3 && memcmp(text, mark, 3) == 0)
		lx->at = lx->line_start = 3;
	return check_encoding(lx, err);
}

void toml_lexer_release(struct toml_lexer *lx)
{
	buf_release(&lx->value);
}

/* The byte n bytes ahead; 0 at the end, which no rule accepts. */
static char peek(const struct toml_lexer *lx, size_t n)
{
	return n < lx->len - lx->at ? lx->text[lx->at + n] : '\0';
}

static size_t newline_length(const struct toml_lexer *lx)
{
	if (peek(lx, 0) == '\n')
		return 1;
	return peek(lx, 0) == '\r' && peek(lx, 1) == '\n' ? 2 : 0;
}

static void take_newline(struct toml_lexer *lx, size_t n)
{
	lx->at += n;
	lx->line++;
	lx->line_start = lx->at;
}

static bool is_control(char c)
{
	unsigned char u = (unsigned char)c;

	return (u < 0x20 && u != '\t') || u == 0x7F;
}

static bool is_bare(char c, enum toml_place place)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '-')
		return true;
	return place == TOML_AT_VALUE && (c == '+' || c == '.' || c == ':');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int lex_comment(struct toml_lexer *lx, struct err *err)
{
	while (lx->at < lx->len && newline_length(lx) == 0) {
		if (is_control(peek(lx, 0)))
			return fail_here(lx, err, "a control character in a comment");
		lx->at++;
	}
	return 0;
}

static void lex_bare(struct toml_lexer *lx, enum toml_place place)
{
	size_t start = lx->at;

	while (lx->at < lx->len && is_bare(peek(lx, 0), place))
		lx->at++;
	/* "1979-05-27 07:32:00": the only value with a blank. */
	if (place == TOML_AT_VALUE && lx->at - start == 10 && lx->text[start + 4] == '-' &&
	    lx->text[start + 7] == '-' && peek(lx, 0) == ' ' && is_digit(peek(lx, 1))) {
		lx->at++;
		while (lx->at < lx->len && is_bare(peek(lx, 0), place))
			lx->at++;
	}
}

static void add_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_chr(b, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_chr(b, (char)(0xC0 | (c >> 6)));
	} else {
		if (c < 0x10000) {
			buf_chr(b, (char)(0xE0 | (c >> 12)));
		} else {
			buf_chr(b, (char)(0xF0 | (c >> 18)));
			buf_chr(b, (char)(0x80 | ((c >> 12) & 0x3F)));
		}
		buf_chr(b, (char)(0x80 | ((c >> 6) & 0x3F)));
	}
	buf_chr(b, (char)(0x80 | (c & 0x3F)));
}

/* At the u or U of an escape. */
static int lex_unicode(struct toml_lexer *lx, size_t digits, struct err *err)
{
	uint32_t c = 0;

	for (size_t i = 1; i <= digits; i++) {
		int digit = str_hex_digit(peek(lx, i));

		if (digit < 0)
			return fail_here(lx, err, "\\u needs 4 hexadecimal digits and \\U 8");
		c = c << 4 | (uint32_t)digit;
	}
	if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return fail_here(lx, err, "the escape is not a Unicode scalar value");
	add_utf8(&lx->value, c);
	lx->at += digits + 1;
	return 0;
}

/* At the byte after a backslash. */
static int lex_escape(struct toml_lexer *lx, struct err *err)
{
	static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
	char c = peek(lx, 0);
	const char *found = c ? strchr(letters, c) : NULL;

	if (c == 'u')
		return lex_unicode(lx, 4, err);
	if (c == 'U')
		return lex_unicode(lx, 8, err);
	if (!found)
		return fail_here(lx, err, "unknown escape; a backslash itself is written \\\\");
	buf_chr(&lx->value, meanings[found - letters]);
	lx->at++;
	return 0;
}

static int lex_string(struct toml_lexer *lx, char quote, struct err *err)
{
	struct toml_span start = span_at(lx, lx->at);
	char c;

	lx->at++;
	while ((c = peek(lx, 0)) != quote) {
		if (lx->at == lx->len || newline_length(lx) > 0)
			return toml_lex_fail(lx, &start, err,
					     "the string is not closed on its line");
		if (is_control(c))
			return fail_here(lx, err, "a control character in a string");
		lx->at++;
		if (c == '\\' && quote == '"') {
			if (lex_escape(lx, err) < 0)
				return -1;
		} else {
			buf_chr(&lx->value, c);
		}
	}
	lx->at++;
	return 0;
}

/* After a backslash at the end of a line: skips everything up to the next visible character. */
static bool skip_line_end(struct toml_lexer *lx)
{
	size_t n = 0;

	while (peek(lx, n) == ' ' || peek(lx, n) == '\t')
		n++;
	if (peek(lx, n) != '\n' && (peek(lx, n) != '\r' || peek(lx, n + 1) != '\n'))
		return false;
	lx->at += n;
	for (;;) {
		n = newline_length(lx);
		if (n > 0)
			take_newline(lx, n);
		else if (peek(lx, 0) == ' ' || peek(lx, 0) == '\t')
			lx->at++;
		else
			return true;
	}
}

/* A run of quotes in a long string: 1 or 2 are contents, 3 to 5 close it after 0 to 2 of contents.
 */
static bool take_quotes(struct toml_lexer *lx, char quote)
{
	size_t n = 0, contents;

	while (n < 5 && peek(lx, n) == quote)
		n++;
	contents = n < 3 ? n : n - 3;
	for (size_t i = 0; i < contents; i++)
		buf_chr(&lx->value, quote);
	lx->at += n;
	return n >= 3;
}

static int lex_long_string(struct toml_lexer *lx, char quote, struct err *err)
{
	struct toml_span start = span_at(lx, lx->at);
	size_t n;
	char c;

	lx->at += 3;
	n = newline_length(lx);
	if (n > 0)
		take_newline(lx, n);
	while (lx->at < lx->len) {
		c = peek(lx, 0);
		n = newline_length(lx);
		if (n > 0) {
			buf_add(&lx->value, lx->text + lx->at, n);
			take_newline(lx, n);
		} else if (c == quote) {
			if (take_quotes(lx, quote))
				return 0;
		} else if (is_control(c)) {
			return fail_here(lx, err, "a control character in a string");
		} else if (c == '\\' && quote == '"') {
			lx->at++;
			if (!skip_line_end(lx) && lex_escape(lx, err) < 0)
				return -1;
		} else {
			buf_chr(&lx->value, c);
			lx->at++;
		}
	}
	return toml_lex_fail(lx, &start, err, "the string is not closed");
}

static bool lex_punctuation(char c, enum toml_token_kind *kind)
{
	switch (c) {
	case '=':
		*kind = TOML_TOKEN_EQUALS;
		return true;
	case '.':
		*kind = TOML_TOKEN_DOT;
		return true;
	case ',':
		*kind = TOML_TOKEN_COMMA;
		return true;
	case '[':
		*kind = TOML_TOKEN_OPEN_BRACKET;
		return true;
	case ']':
		*kind = TOML_TOKEN_CLOSE_BRACKET;
		return true;
	case '{':
		*kind = TOML_TOKEN_OPEN_BRACE;
		return true;
	case '}':
		*kind = TOML_TOKEN_CLOSE_BRACE;
		return true;
	default:
		return false;
	}
}

static int lex_quoted(struct toml_lexer *lx, struct toml_token *out, struct err *err)
{
	char quote = peek(lx, 0);

	buf_clear(&lx->value);
	if (peek(lx, 1) == quote && peek(lx, 2) == quote) {
		out->kind = TOML_TOKEN_LONG_STRING;
		return lex_long_string(lx, quote, err);
	}
	out->kind = TOML_TOKEN_STRING;
	return lex_string(lx, quote, err);
}

int toml_lex(struct toml_lexer *lx, enum toml_place place, struct toml_token *out, struct err *err)
{
	size_t n;
	char c;

	while (peek(lx, 0) == ' ' || peek(lx, 0) == '\t')
		lx->at++;
	out->span = span_at(lx, lx->at);
	c = peek(lx, 0);
	n = newline_length(lx);
	if (lx->at == lx->len) {
		out->kind = TOML_TOKEN_END;
	} else if (n > 0) {
		out->kind = TOML_TOKEN_NEWLINE;
		take_newline(lx, n);
	} else if (c == '#') {
		out->kind = TOML_TOKEN_COMMENT;
		if (lex_comment(lx, err) < 0)
			return -1;
	} else if (c == '"' || c == '\'') {
		if (lex_quoted(lx, out, err) < 0)
			return -1;
	} else if (is_bare(c, place)) {
		out->kind = TOML_TOKEN_BARE;
		lex_bare(lx, place);
	} else if (lex_punctuation(c, &out->kind)) {
		lx->at++;
	} else if (c == '\r') {
		return fail_here(lx, err, "a carriage return without a newline");
	} else if (is_control(c)) {
		return fail_here(lx, err, "a control character");
	} else {
		return fail_here(lx, err,
				 "unexpected character; a text value is written in quotes");
	}
	out->span.len = lx->at - out->span.offset;
	return 0;
}

const char *toml_token_name(enum toml_token_kind kind)
{
	static const char *const names[] = {
		[TOML_TOKEN_END] = "the end of the file",
		[TOML_TOKEN_NEWLINE] = "the end of the line",
		[TOML_TOKEN_COMMENT] = "a comment",
		[TOML_TOKEN_BARE] = "a word",
		[TOML_TOKEN_STRING] = "a string",
		[TOML_TOKEN_LONG_STRING] = "a string in triple quotes",
		[TOML_TOKEN_EQUALS] = "'='",
		[TOML_TOKEN_DOT] = "'.'",
		[TOML_TOKEN_COMMA] = "','",
		[TOML_TOKEN_OPEN_BRACKET] = "'['",
		[TOML_TOKEN_CLOSE_BRACKET] = "']'",
		[TOML_TOKEN_OPEN_BRACE] = "'{'",
		[TOML_TOKEN_CLOSE_BRACE] = "'}'",
	};

	return names[kind];
}
