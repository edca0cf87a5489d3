// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Docker's daemon.json: one member of its object "runtimes", put in and taken out by splicing, so
 * that every byte that is not ours stays. Added and removed again: the original bytes.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* value is JSON. *made_key: there was no "runtimes". A member of that name must not be there
 * (E_EXISTS). E_CONFIG: not JSON, or not an object where one is needed. */
MUST_CHECK int docker_json_add(const char *file, const char *text, const char *name,
			       const char *value, bool *made_key, struct buf *out, struct err *err);
/* Not there: the same bytes. An object "runtimes" that is empty then goes too if made_key. */
MUST_CHECK int docker_json_remove(const char *file, const char *text, const char *name,
				  bool made_key, struct buf *out, struct err *err);
