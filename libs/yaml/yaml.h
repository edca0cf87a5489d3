// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * YAML documents as JSON values (libyaml behind it), so that one set of accessors and one reader of
 * objects (json/fields.h) serves both.
 *
 * What is read is the part of YAML 1.2 that JSON can express: one document of mappings, sequences
 * and scalars. Plain scalars are typed by the core schema: null, true/false, decimal integers;
 * anything else, and everything in quotes, is a string. Refused with file, line and column:
 * anchors, aliases, tags, merge keys, directives, more than one document, a key twice, a key that
 * is no string, a number that begins with 0 (octal to some readers, decimal to others) or has more
 * than 64 bits, U+0000, invalid UTF-8; and, with E_LIMIT, nesting deeper than YAML_DEPTH and more
 * than YAML_VALUES values. So a document is never larger in memory than a constant times its text,
 * which the caller bounds.
 */

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

#include <stddef.h>

enum { YAML_DEPTH = 32, YAML_VALUES = 2 << 20, YAML_KEY_MAX = 1000 };

/* name is used in errors: "release.yaml:3:14: ...". Free with json_free. NULL: E_INVALID, E_LIMIT.
 */
struct json *yaml_parse(const char *text, size_t len, const char *name, struct err *err);

/* Block style, keys in their order, two spaces, strings quoted only where they must be (or another
 * reader might take them for a number, a date or a boolean); the same bytes for the same value on
 * every machine. E_INVALID: it has a number with a fraction, which would come back as a string.
 * E_LIMIT: nested deeper than YAML_DEPTH, or a key of more than YAML_KEY_MAX bytes. */
MUST_CHECK int yaml_format(const struct json *j, struct buf *to, struct err *err);
