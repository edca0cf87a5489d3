// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * TOML 1.0: parses documents to a typed tree, and reads configuration from it.
 *
 *	AUTO(toml) struct toml_value *conf = toml_load("/etc/kata/configuration.toml", err);
 *	struct toml_value *dropin = toml_load(path, err);
 *	toml_merge(conf, dropin);
 *
 *	static const char *const known[] = { "path", "memory", "debug", NULL };
 *	struct toml_value *vm;
 *	if (toml_get_table(conf, "vm", &vm, err) < 0 ||
 *	    toml_get_string(vm, "path", "/usr/bin/qemu", &path, err) < 0 ||
 *	    toml_get_int(vm, "memory", 1, 1 << 20, 2048, &memory, err) < 0 ||
 *	    toml_get_bool(vm, "debug", false, &debug, err) < 0 ||
 *	    toml_unused(vm, known, err) < 0)
 *		return -1;
 *
 * The parser accepts exactly TOML 1.0, within limits on the size of a document and the depth of
 * nesting. Every value has its file, line and position. The tree is heap memory owned by its root;
 * what getters return is borrowed from it, until toml_free() or the toml_merge() that replaces it.
 * Not thread-safe: getters mark what they read.
 *
 * Errors: E_CONFIG, "FILE:LINE:COLUMN: ..." for a document, "FILE:LINE: key 'x': ..." for a value;
 * E_LIMIT for a document over its limits.
 */

#include "base/err.h"
#include "base/scope.h"
#include "toml/lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_OFFSET_DATETIME,
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME,
	TOML_ARRAY,
	TOML_TABLE,
};

/* Fields that a type of date or time lacks are 0. */
struct toml_time {
	int year, month, day;
	int hour, minute, second; /* second may be 60 */
	int nanosecond;           /* further digits are dropped */
	int offset;               /* minutes east of UTC */
};

struct toml_value;

struct toml_entry {
	char *key; /* NUL-terminated; a quoted key may also hold NUL bytes */
	size_t key_len;
	struct toml_span key_span;
	struct toml_value *value;
};

struct toml_array {
	struct toml_value **items;
	size_t n, cap;
};

struct toml_table {
	struct toml_entry *entries; /* in the order of the document */
	size_t n, cap;
	uint32_t *index; /* hash index of a large table */
	size_t index_size;
};

struct toml_origin; /* the name of a document, shared by its values */

struct toml_value {
	enum toml_type type;
	bool used;             /* a getter has read it */
	unsigned char defined; /* enum toml_defined, for the parser */
	struct toml_origin *origin;
	struct toml_span span; /* of the value; of a table where it is first named */
	union {
		struct {
			char *text; /* NUL-terminated */
			size_t len; /* may be more than strlen(text) */
		} string;
		int64_t integer;
		double number;
		bool boolean;
		struct toml_time time;
		struct toml_array array;
		struct toml_table table;
	};
};

struct toml_limits {
	size_t size;    /* bytes of a document */
	unsigned depth; /* of arrays and tables, dotted keys and headers included */
};

#define TOML_LIMITS                          \
	{                                    \
		.size = 1 << 20, .depth = 64 \
	}

/* The root table, or NULL. file is for messages; limits may be NULL for TOML_LIMITS. */
struct toml_value *toml_parse(const char *file, const char *text, size_t len,
			      const struct toml_limits *limits, struct err *err);
/* Reads and parses a file. Also E_NOT_FOUND, E_PERMISSION, E_IO. */
struct toml_value *toml_load(const char *path, struct err *err);
void toml_free(struct toml_value *value);

/* Merges over into base and frees it: a key of over replaces that of base, but two tables are
 * merged recursively. Both must be tables. */
void toml_merge(struct toml_value *base, struct toml_value *over);

/* "a string", "an offset date-time" ... */
const char *toml_type_name(enum toml_type type);
const char *toml_file(const struct toml_value *value);

/* The value of a key, or NULL if table is NULL or lacks the key. Does not mark it as used. */
struct toml_value *toml_find(const struct toml_value *table, const char *key);

/*
 * Typed getters. A missing key (or a NULL table) gives the fallback; a value of another type or out
 * of bounds is E_CONFIG. Each marks the key as used. Out-parameters are set on success only.
 */

/* *out is borrowed, or the fallback. A string with a NUL byte in it is refused. */
MUST_CHECK int toml_get_string(struct toml_value *table, const char *key, const char *fallback,
			       const char **out, struct err *err);
MUST_CHECK int toml_get_bool(struct toml_value *table, const char *key, bool fallback, bool *out,
			     struct err *err);
MUST_CHECK int toml_get_int(struct toml_value *table, const char *key, int64_t min, int64_t max,
			    int64_t fallback, int64_t *out, struct err *err);
/* An integer is accepted for a float. */
MUST_CHECK int toml_get_float(struct toml_value *table, const char *key, double fallback,
			      double *out, struct err *err);
/* An array of strings as a new strv, freed by the caller; NULL if the key is missing or the array
 * empty. */
MUST_CHECK int toml_get_strings(struct toml_value *table, const char *key, char ***out,
				struct err *err);
/* *out is borrowed, NULL if the key is missing. */
MUST_CHECK int toml_get_table(struct toml_value *table, const char *key, struct toml_value **out,
			      struct err *err);
/* An array of tables, likewise; its items are marked too. */
MUST_CHECK int toml_get_tables(struct toml_value *table, const char *key, struct toml_value **out,
			       struct err *err);

/* E_CONFIG for the first key of this table (not of its subtables) that no getter has read and that
 * is not in known (NULL-terminated): "FILE:LINE: unknown key 'x'; did you mean 'y'?". */
MUST_CHECK int toml_unused(const struct toml_value *table, const char *const *known,
			   struct err *err);

#define toml_each(entry, from)                                                                \
	for (const struct toml_entry *entry = (from)->table.entries,                          \
				     *entry##_end_ = entry ? entry + (from)->table.n : entry; \
	     entry != entry##_end_; entry++)

DEFINE_AUTO(toml, struct toml_value *, NULL, toml_free)
