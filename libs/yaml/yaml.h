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

/* name is used in errors: "release.yaml:3:14: ...". Free with json_free. NULL: E_INVALID, E_LIMIT.
 */
struct json *yaml_parse(const char *text, size_t len, const char *name, struct err *err);

/* Block style, keys in their order, two spaces, strings quoted only where needed (or where another
 * reader might see a number, a date or a boolean); the same bytes for the same value on every
 * machine. E_INVALID: it has a number with a fraction, which would be parsed as a string. E_LIMIT:
 * nested deeper than YAML_DEPTH, or a key of more than YAML_KEY_MAX bytes. */
MUST_CHECK int yaml_format(const struct json *j, struct buf *to, struct err *err);
