// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * JSON documents (jansson behind it). Strict: duplicate members, invalid UTF-8, NUL characters and
 * trailing text are errors with line and column; nesting is limited to 128.
 *
 * struct json is a reference-counted value: what json_parse and json_new_* return is owned and
 * freed with json_free; what json_get and json_at return is borrowed from its parent. Members of an
 * object keep their order.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* name is used in errors: "config.json:3:14: ...". NULL on error. */
struct json *json_parse(const char *text, size_t len, const char *name, struct err *err);
void json_free(struct json *j);
DEFINE_AUTO(json, struct json *, NULL, json_free)

enum json_kind json_kind(const struct json *j);
const char *json_kind_name(enum json_kind kind); /* "a string" */
bool json_bool(const struct json *j);            /* these four: of a value of that kind */
int64_t json_int(const struct json *j);
double json_real(const struct json *j);
const char *json_string(const struct json *j);

size_t json_len(const struct json *j); /* elements of an array, members of an object */
struct json *json_at(const struct json *array, size_t i);
struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
/* for (void *it = json_first(o); it; it = json_next(o, it)) use(json_key(it), json_value(it)); */
void *json_first(const struct json *object);
void *json_next(const struct json *object, void *it);
const char *json_key(void *it);
struct json *json_value(void *it);

/* Building. The value given to json_set and json_append is taken over. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *s); /* invalid UTF-8 is replaced by '?'; NULL: null */
struct json *json_new_int(int64_t v);
struct json *json_new_real(double v);
struct json *json_new_bool(bool v);
struct json *json_new_null(void);
void json_set(struct json *object, const char *key, struct json *value);
void json_append(struct json *array, struct json *value);

/* Heap text. */
char *json_format(const struct json *j, bool pretty);
