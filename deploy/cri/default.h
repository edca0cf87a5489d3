// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The default runtime of a manager, for containers that ask for none. An administrator may have made
 * one of our handlers the default: then it cannot be removed.
 */

#include "base/err.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/edit.h"

/* E_STATE: the configuration names a recorded handler as the default runtime, which is gone after the
 * edits; the manager would not start then, or start no container. recorded: NULL if the record is lost;
 * to call only if handlers were removed then. */
MUST_CHECK int default_check(const struct cri *c, struct edits *e, const struct json *recorded,
			     struct err *err);
