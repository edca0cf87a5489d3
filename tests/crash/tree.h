// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A directory as text, so that two can be compared and a difference be shown: one sorted line per
 * entry with type, mode, owner, number of names, and the target or the digest of the contents.
 */

#include "base/buf.h"
#include "base/err.h"

MUST_CHECK int tree_describe(const char *path, struct buf *to, struct err *err);
/* Makes to a copy of from, names of one file staying names of one file; to is removed first. */
MUST_CHECK int tree_copy(const char *from, const char *to, struct err *err);
