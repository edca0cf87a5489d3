// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Docker's daemon.json: one member of its object "runtimes", added and removed by splicing, so that
 * all other bytes stay. Adding and then removing gives the original bytes.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* file is for messages, value is JSON. *made_key: "runtimes" was missing and was added. E_EXISTS:
 * there is a member of that name. E_CONFIG: not JSON, or not an object where one is needed. */
MUST_CHECK int docker_json_add(const char *file, const char *text, const char *name,
			       const char *value, bool *made_key, struct buf *out, struct err *err);
/* Without such a member the bytes are unchanged. made_key: an object "runtimes" that is now empty
 * is removed too. */
MUST_CHECK int docker_json_remove(const char *file, const char *text, const char *name,
				  bool made_key, struct buf *out, struct err *err);
