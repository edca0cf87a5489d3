// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What the files of libs/toml share and nobody else needs.
 */

#include "toml/toml.h"

/* How a table or an array came to be, which decides what may be added to it later. */
enum toml_defined {
	TOML_BY_PATH,    /* table: only as the way to another one, [a] of [a.b] */
	TOML_BY_HEADER,  /* table: [a] */
	TOML_BY_DOTS,    /* table: a of a.b = 1 */
	TOML_BY_VALUE,   /* table { ... } or array [ ... ]: closed for good */
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
/* Adds a key that is not there; copies it and owns the value from now on. */
void toml_table_add(struct toml_table *table, const char *key, size_t len,
		    const struct toml_span *span, struct toml_value *value);
void toml_array_add(struct toml_array *array, struct toml_value *value);

/* Reads an unquoted value (number, boolean, date ...) into out. Returns 0, or -1 and what is wrong.
 */
MUST_CHECK int toml_scalar(const char *text, size_t len, struct toml_value *out, const char **why);

/* Puts '?' for every control character, so that a document cannot write on a terminal. */
void toml_make_printable(char *text);
