// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * YAML documents as JSON values (parsed with libyaml), so that the same accessors (json/json.h,
 * json/fields.h) serve both.
 *
 * Accepted is the part of YAML 1.2 that JSON can express: one document of mappings, sequences and
 * scalars. Plain scalars are typed by the core schema: null, true/false, decimal integers; anything
 * else, and everything in quotes, is a string. Rejected with file, line and column: anchors,
 * aliases, tags, merge keys, directives, more than one document, duplicate keys, keys that are not
 * strings, numbers that begin with 0 (octal or decimal, depending on the reader) or have more than
 * 64 bits, U+0000, invalid UTF-8; and, with E_LIMIT, nesting deeper than YAML_DEPTH and more than
 * YAML_VALUES values. So the memory of a document is bounded by a constant times its text, which
 * the caller limits.
 */

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

#include <stddef.h>

enum { YAML_DEPTH = 32, YAML_VALUES = 2 << 20, YAML_KEY_MAX = 1000 };

/* name is for messages: "release.yaml:3:14: ...". The caller frees the result with json_free().
 * NULL on error: E_INVALID, E_LIMIT. */
struct json *yaml_parse(const char *text, size_t len, const char *name, struct err *err);

/* Appends a value in block style, with keys in their order and two spaces of indentation. Strings
 * are quoted only if needed, or if another reader might take them for a number, a date or a
 * boolean. The same value yields the same bytes on every machine. E_INVALID: a number with a
 * fraction, which would be parsed as a string. E_LIMIT: nested deeper than YAML_DEPTH, or a key of
 * more than YAML_KEY_MAX bytes. */
MUST_CHECK int yaml_format(const struct json *j, struct buf *to, struct err *err);
