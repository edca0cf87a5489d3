// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What reading release.yaml and channel.yaml have in common. */

#include "deploy/release/release.h"
#include "json/fields.h"

/* "schema" of the document that f reads; for a newer one E_UNSUPPORTED, which says which
 * kata-deploy reads it if the document says so. */
MUST_CHECK int release_take_schema(struct fields *f, struct err *err);
/* A string of plain printable ASCII of at most max bytes. */
MUST_CHECK int release_take_text(struct fields *f, const char *key, bool required, size_t max,
				 const char **out, struct err *err);
MUST_CHECK int release_take_digest(struct fields *f, const char *key, bool required, char out[65],
				   struct err *err);
/* "serial", at least 1, "created" and "expires", in this order in time. */
MUST_CHECK int release_take_times(struct fields *f, uint64_t *serial, uint64_t *created,
				  uint64_t *expires, struct err *err);
void release_put_times(struct json *j, uint64_t serial, uint64_t created, uint64_t expires);
/* Components and patches in the order of the header. */
void release_sort(struct release *r);
