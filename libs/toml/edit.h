// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Changes a TOML document by splicing bytes: all other bytes stay as they are.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(1 << 20);
 *	if (toml_edit_add_string(file, text, len, "imports", "/etc/containerd/kata.toml", &out,
 *				 err) < 0)
 *		return -1;
 *
 * and later, after any edits by others,
 *
 *	toml_edit_remove_string(file, text, len, "imports", "/etc/containerd/kata.toml", created,
 *				&out, err)
 *
 * yields the document with those edits only. Without other edits, adding and removing yields the
 * original bytes.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends value to the array key of the root table; without such a key, adds the line KEY =
 * ["VALUE"] after the last root key, before the first table header. The new document is appended to
 * out. Returns 0 if the array has the value already (out gets the same bytes), TOML_EDITED, or
 * TOML_EDITED_NEW if the key was created too, which the caller has to remember for a later removal.
 * E_CONFIG: the document is not TOML, key is not an array of strings, or value is not UTF-8. */
enum { TOML_EDITED = 1, TOML_EDITED_NEW = 2 };
MUST_CHECK int toml_edit_add_string(const char *file, const char *text, size_t len, const char *key,
				    const char *value, struct buf *out, struct err *err);

/* Removes the element (the last of equal ones) with the comma and blanks that were added with it,
 * but not a comment beside it. created: the addition created the key, so an array that becomes
 * empty is removed with its line, unless the line has a comment. Returns TOML_EDITED, or 0 if there
 * is no such element (out gets the same bytes). */
MUST_CHECK int toml_edit_remove_string(const char *file, const char *text, size_t len,
				       const char *key, const char *value, bool created,
				       struct buf *out, struct err *err);

/* Removes the table at a path of keys and the tables below it, where they are written under headers
 * of their own: each from its header to its last pair. What stands before the next header stays, such
 * as comments, but of two empty lines that would follow each other one goes. Returns TOML_EDITED, or 0
 * if there is no such header (out gets the same bytes). E_CONFIG: the document is not TOML. */
MUST_CHECK int toml_edit_remove_table(const char *file, const char *text, size_t len,
				      const char *const *path, size_t n, struct buf *out,
				      struct err *err);

/* Appends value as a basic TOML string, quotes included. */
void toml_edit_quote(struct buf *out, const char *value);
