// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Describes a directory tree as text, so that two trees can be compared and the difference can be
 * shown: a sorted line for each entry, with its type, mode, owner, number of links, and target or
 * digest.
 */

#include "base/buf.h"
#include "base/err.h"

MUST_CHECK int tree_describe(const char *path, struct buf *to, struct err *err);
/* Removes to and copies from to it, with its hard links. */
MUST_CHECK int tree_copy(const char *from, const char *to, struct err *err);
