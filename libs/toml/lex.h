// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The tokens of a TOML 1.0 document, each with its position, so that an editor can splice a
 * document and keep all other bytes.
 *
 *	struct toml_lexer lx;
 *	struct toml_token t;
 *	if (toml_lexer_init(&lx, file, text, len, err) < 0)	// checks UTF-8
 *		return -1;
 *	do {
 *		if (toml_lex(&lx, TOML_AT_KEY, &t, err) < 0)
 *			...
 *	} while (t.kind != TOML_TOKEN_END);
 *	toml_lexer_release(&lx);
 *
 * The meaning of characters depends on their place: "1.2" is two keys and a dot before an equals
 * sign and a number after it, so the caller passes the place. Blanks between tokens belong to none.
 *
 * Errors are E_CONFIG, "FILE:LINE:COLUMN: what is wrong"; columns count bytes from 1. The text is
 * borrowed and need not end in NUL.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>

enum toml_token_kind {
	TOML_TOKEN_END,
	TOML_TOKEN_NEWLINE,
	TOML_TOKEN_COMMENT,     /* without the newline */
	TOML_TOKEN_BARE,        /* a bare key, or an unquoted value: number, date, true, inf ... */
	TOML_TOKEN_STRING,      /* on one line: also a key */
	TOML_TOKEN_LONG_STRING, /* in triple quotes: never a key */
	TOML_TOKEN_EQUALS,
	TOML_TOKEN_DOT,
	TOML_TOKEN_COMMA,
	TOML_TOKEN_OPEN_BRACKET,
	TOML_TOKEN_CLOSE_BRACKET,
	TOML_TOKEN_OPEN_BRACE,
	TOML_TOKEN_CLOSE_BRACE,
};

enum toml_place { TOML_AT_KEY, TOML_AT_VALUE };

struct toml_span {
	size_t offset, len; /* bytes of the document, quotes included */
	unsigned line, column;
};

struct toml_token {
	enum toml_token_kind kind;
	struct toml_span span;
};

struct toml_lexer {
	const char *file, *text; /* borrowed */
	size_t len, at;
	unsigned line;
	size_t line_start;
	struct buf value; /* contents of the last string token, escapes resolved */
};

/* E_CONFIG: the text is not UTF-8. A byte order mark at the start is skipped. */
MUST_CHECK int toml_lexer_init(struct toml_lexer *lx, const char *file, const char *text,
			       size_t len, struct err *err);
void toml_lexer_release(struct toml_lexer *lx);

/* Reads the next token; at the end of the text it is TOML_TOKEN_END. */
MUST_CHECK int toml_lex(struct toml_lexer *lx, enum toml_place place, struct toml_token *out,
			struct err *err);

/* "a number", "'='", "the end of the line": for messages. */
const char *toml_token_name(enum toml_token_kind kind);

/* Sets E_CONFIG with the file, the line and the column of span in front. Returns -1. */
int toml_lex_fail(const struct toml_lexer *lx, const struct toml_span *span, struct err *err,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

DEFINE_AUTO_STRUCT(toml_lexer, struct toml_lexer, toml_lexer_release)
