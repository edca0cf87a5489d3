// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Adds and removes a member of the object "runtimes" in Docker's daemon.json by splicing, so that
 * all other bytes stay as they are. Adding and then removing a member restores the original bytes.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* Appends text with the new member to out. file is for messages, value is JSON. *made_key:
 * "runtimes" was missing and was added too. E_EXISTS: a member of that name exists. E_CONFIG: text
 * is not JSON, or it or "runtimes" is not an object. */
MUST_CHECK int docker_json_add(const char *file, const char *text, const char *name,
			       const char *value, bool *made_key, struct buf *out, struct err *err);
/* Appends text without the member to out; unchanged if it has no such member. made_key: remove
 * "runtimes" too, if it is empty then. */
MUST_CHECK int docker_json_remove(const char *file, const char *text, const char *name,
				  bool made_key, struct buf *out, struct err *err);
