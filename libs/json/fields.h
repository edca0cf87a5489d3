// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads the members of a JSON object. Each call takes one member; fields_end rejects an object that
 * has others.
 *
 *	struct fields f;
 *	if (fields_begin(&f, j, "install.json", err) < 0 ||
 *	    fields_text(&f, "current", true, &current, err) < 0 || fields_end(&f, err) < 0)
 *		return -1;
 *
 * Values are borrowed from the document. A missing optional member yields NULL, false or 0; an
 * array is always required, a boolean or an object never. Errors are E_INVALID.
 */

#include "base/err.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fields {
	const struct json *j;
	const char *name; /* of the object, for messages; borrowed */
	size_t taken;     /* number of members taken */
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
