// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the parsers of release.yaml and channel.yaml. */

#include "deploy/release/release.h"
#include "json/fields.h"

/* Checks "schema" of the document. E_UNSUPPORTED: it is newer; the message names the kata-deploy
 * that reads it, if the document does. */
MUST_CHECK int release_take_schema(struct fields *f, struct err *err);
/* A string of printable ASCII of at most max bytes. */
MUST_CHECK int release_take_text(struct fields *f, const char *key, bool required, size_t max,
				 const char **out, struct err *err);
MUST_CHECK int release_take_digest(struct fields *f, const char *key, bool required, char out[65],
				   struct err *err);
/* "serial", at least 1, "created" and "expires", which must be later than created. */
MUST_CHECK int release_take_times(struct fields *f, uint64_t *serial, uint64_t *created,
				  uint64_t *expires, struct err *err);
void release_put_times(struct json *j, uint64_t serial, uint64_t created, uint64_t expires);
/* Sorts components and patches as release.h says. */
void release_sort(struct release *r);
