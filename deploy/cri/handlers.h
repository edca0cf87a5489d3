// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runtime handlers in containerd's configuration, in each version of its schema.
 */

#include "base/buf.h"
#include "base/err.h"
#include "deploy/cri/backend.h"
#include "toml/toml.h"

#include <stdbool.h>

/* Writes the tables of the handlers that are missing. schema: the configuration's version, 1, 2, 3
 * ...; by_path: runtime_type is the shim's path, for managers that ignore runtime_path. */
MUST_CHECK int handlers_write(const struct cri *c, int schema, bool by_path, struct buf *out,
			      struct err *err);
/* The table of runtimes in a tree, borrowed; NULL if it has none. */
struct toml_value *handlers_find(const struct toml_value *tree, int schema);
const char *handlers_section(int schema);
/* Marks in c->have our handlers that are in that table and lead to our shim. E_EXISTS: a different
 * handler has the same name. file is for the message. runtimes may be NULL. */
MUST_CHECK int handlers_there(struct cri *c, const struct toml_value *runtimes, const char *file,
			      struct err *err);
bool handlers_all(const struct cri *c); /* all are there */
