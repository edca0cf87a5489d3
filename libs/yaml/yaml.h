// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * YAML documents as JSON values (libyaml behind it), so that one set of accessors and one reader of
 * objects (json/fields.h) serves both.
 *
 * What is read is the part of YAML 1.2 that JSON can express: one document of mappings, sequences
 * and scalars. Plain scalars are typed by the core schema: null, true/false, decimal integers;
 * anything else, and everything in quotes, is a string. Refused with file, line and column:
 * anchors, aliases, tags, merge keys, more than one document, a key twice, a key that is no string,
 * nesting deeper than YAML_DEPTH, invalid UTF-8. So a document is never larger in memory than a
 * constant times its text, which the caller bounds.
 */

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

#include <stddef.h>

enum { YAML_DEPTH = 32 };

/* name is used in errors: "release.yaml:3:14: ...". Free with json_free. NULL: E_INVALID. */
struct json *yaml_parse(const char *text, size_t len, const char *name, struct err *err);

/* Block style, keys in their order, two spaces, strings quoted only where they must be; the same
 * bytes for the same value on every machine. */
MUST_CHECK int yaml_format(const struct json *j, struct buf *to, struct err *err);
