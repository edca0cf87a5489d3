// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Shared by the files of libs/toml.
 */

#include "toml/toml.h"

/* How a table or an array was defined, which determines what may be added to it (parse.c). */
enum toml_defined {
	TOML_BY_PATH,    /* table: implicitly, [a] of [a.b] */
	TOML_BY_HEADER,  /* table: [a] */
	TOML_BY_DOTS,    /* table: a of a.b = 1 */
	TOML_BY_VALUE,   /* table { ... } or array [ ... ]: nothing may be added */
	TOML_BY_HEADERS, /* array: [[a]] */
};

struct toml_origin {
	size_t refs;
	char file[];
};

struct toml_origin *toml_origin_new(const char *file);
void toml_origin_unref(struct toml_origin *origin);

struct toml_value *toml_value_new(enum toml_type type, struct toml_origin *origin,
				  const struct toml_span *span);

/* The entry of a key, or NULL. */
struct toml_entry *toml_table_find(const struct toml_table *table, const char *key, size_t len);
/* Adds a new key; copies it and takes ownership of the value. */
void toml_table_add(struct toml_table *table, const char *key, size_t len,
		    const struct toml_span *span, struct toml_value *value);
void toml_array_add(struct toml_array *array, struct toml_value *value);

/* Reads an unquoted value (number, boolean, date ...) into out. Returns 0, or -1 and the reason. */
MUST_CHECK int toml_scalar(const char *text, size_t len, struct toml_value *out, const char **why);

/* Replaces control characters by '?', so that a document cannot send terminal escapes. */
void toml_make_printable(char *text);
