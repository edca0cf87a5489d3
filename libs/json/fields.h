// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads the members of an object: known members are taken, fields_end rejects any others.
 *
 *	struct fields f;
 *	if (fields_begin(&f, j, "install.json", err) < 0 ||
 *	    fields_text(&f, "current", true, &current, err) < 0 || fields_end(&f, err) < 0)
 *		return -1;
 *
 * Values are borrowed from the document. A missing optional member leaves NULL, false or 0.
 * Errors are E_INVALID.
 */

#include "base/err.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fields {
	const struct json *j;
	const char *name;
	size_t taken;
};

MUST_CHECK int fields_begin(struct fields *f, const struct json *j, const char *name,
			    struct err *err);
MUST_CHECK int fields_text(struct fields *f, const char *key, bool required, const char **out,
			   struct err *err);
MUST_CHECK int fields_u64(struct fields *f, const char *key, bool required, uint64_t *out,
			  struct err *err);
MUST_CHECK int fields_bool(struct fields *f, const char *key, bool *out, struct err *err);
MUST_CHECK int fields_array(struct fields *f, const char *key, const struct json **out,
			    struct err *err);
MUST_CHECK int fields_object(struct fields *f, const char *key, const struct json **out,
			     struct err *err);
MUST_CHECK int fields_end(struct fields *f, struct err *err);
