// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Members that the parsers of release.yaml, channel.yaml and components.yaml have in common. Each
 * function takes one member of f (json/fields.h); strings are borrowed from the document. */

#include "deploy/release/release.h"
#include "json/fields.h"

/* Checks "schema". E_UNSUPPORTED: it is newer; the message names the oldest kata-deploy that reads
 * it, from the document's "minimum". */
MUST_CHECK int release_take_schema(struct fields *f, struct err *err);
/* A string of printable ASCII of at most max bytes. */
MUST_CHECK int release_take_text(struct fields *f, const char *key, bool required, size_t max,
				 const char **out, struct err *err);
/* A SHA-256 digest; "" if it is absent and not required. */
MUST_CHECK int release_take_digest(struct fields *f, const char *key, bool required, char out[65],
				   struct err *err);
/* "serial", at least 1, "created" and "expires", which must be later than created. */
MUST_CHECK int release_take_times(struct fields *f, uint64_t *serial, uint64_t *created,
				  uint64_t *expires, struct err *err);
void release_put_times(struct json *j, uint64_t serial, uint64_t created, uint64_t expires);
/* Sorts components and patches as release.h says. */
void release_sort(struct release *r);
