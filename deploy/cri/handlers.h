// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Writes and finds runtime handlers in containerd's configuration, for each version of its schema:
 * 1, 2, 3 ...
 */

#include "base/buf.h"
#include "base/err.h"
#include "deploy/cri/backend.h"
#include "toml/toml.h"

#include <stdbool.h>

/* Appends the tables of the handlers that the configuration lacks (c->have). by_path: runtime_type
 * is the shim's path, for versions of containerd that ignore runtime_path. */
MUST_CHECK int handlers_write(const struct cri *c, int schema, bool by_path, struct buf *out,
			      struct err *err);
/* Returns the table of runtimes in a tree, borrowed; NULL if it has none. */
struct toml_value *handlers_find(const struct toml_value *tree, int schema);
/* Returns the name of the plugin whose section has that table. */
const char *handlers_section(int schema);
/* Marks in c->have our handlers that are in that table (may be NULL) and run our shim, as
 * c->back->runs_shim() finds, or for containerd with its schema. E_EXISTS: a handler of the same name
 * runs something else. file is for the message. */
MUST_CHECK int handlers_there(struct cri *c, const struct toml_value *runtimes, const char *file,
			      struct err *err);
/*
 * Takes out of c->have the handlers that the undo of our edits has removed from a file: they are in the
 * tree before (what is on disk), and not in after; both may be NULL. So they are written again, also
 * if another file has a copy of them, such as the output of `containerd config dump`. Otherwise every
 * upgrade with such a copy would remove our registration, and who deletes the copy the last one.
 */
void handlers_own(struct cri *c, const struct toml_value *before, const struct toml_value *after);
/* A string that is not empty, borrowed; NULL: table, which may be NULL, has none of that key. */
const char *handlers_string(const struct toml_value *table, const char *key);
/* Returns the program that a handler of containerd runs, borrowed; NULL: it is not known. */
const char *handlers_program(const struct toml_value *handler);
/* True if the configuration has all handlers (c->have). */
bool handlers_all(const struct cri *c);
