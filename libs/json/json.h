// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * JSON documents (with jansson). Strict: duplicate members, invalid UTF-8, NUL characters and
 * trailing text are errors with line and column; nesting is limited to 128.
 *
 * struct json is a reference-counted value. The caller owns what json_parse, json_share and
 * json_make_* return, and frees it with json_free; what json_get, json_at and json_value return is
 * borrowed from its parent. Members of an object keep their order.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

enum json_kind {
	JSON_IS_NULL,
	JSON_IS_BOOL,
	JSON_IS_INT, /* any integer of 64 bits, signed or unsigned */
	JSON_IS_REAL,
	JSON_IS_STRING,
	JSON_IS_ARRAY,
	JSON_IS_OBJECT,
};

/* name is for messages: "config.json:3:14: ...". NULL on error: E_INVALID, E_LIMIT (nested too
 * deep). */
struct json *json_parse(const char *text, size_t len, const char *name, struct err *err);
void json_free(struct json *j);
/* Another reference to the same value. */
struct json *json_share(const struct json *j);
DEFINE_AUTO(json, struct json *, NULL, json_free)

enum json_kind json_kind(const struct json *j);
const char *json_kind_name(enum json_kind kind); /* "a string" */
/* These require a value of that kind. */
bool json_bool(const struct json *j);
int64_t json_int(const struct json *j); /* INT64_MAX if it is larger */
/* Returns -1 and leaves *out alone if the integer is negative. */
MUST_CHECK int json_u64(const struct json *j, uint64_t *out);
double json_number(const struct json *j);
const char *json_text(const struct json *j);

size_t json_count(const struct json *j); /* elements of an array, members of an object */
struct json *json_at(const struct json *array, size_t i);
struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
/* The text of a member, borrowed; NULL if it is absent or not a string, or object is not an
 * object. */
const char *json_get_text(const struct json *object, const char *key);
/* Appends the strings of a member that is an array to the strv *list. -1 if the member is absent,
 * is not an array, or has an element that is not a string (then *list has those before it). */
MUST_CHECK int json_get_strings(const struct json *object, const char *key, char ***list);
/* for (void *it = json_begin(o); it; it = json_after(o, it)) use(json_key(it), json_value(it)); */
void *json_begin(const struct json *object);
void *json_after(const struct json *object, void *it);
const char *json_key(void *it);
struct json *json_value(void *it);

/* Building. json_put and json_add take ownership of the value. */
struct json *json_make_object(void);
struct json *json_make_array(void);
struct json *json_make_string(const char *s); /* invalid UTF-8 is replaced by '?'; NULL: null */
struct json *json_make_int(int64_t v);
struct json *json_make_u64(uint64_t v);
struct json *json_make_real(double v);
struct json *json_make_bool(bool v);
struct json *json_make_null(void);
/* Adds a member or replaces it. Invalid UTF-8 in key is replaced by '?'. */
void json_put(struct json *object, const char *key, struct json *value);
void json_add(struct json *array, struct json *value);

/* The text of a value, heap. */
char *json_format(const struct json *j, bool pretty);
