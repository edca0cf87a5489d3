// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Changing a TOML document by splicing bytes: every byte that is not ours stays as it is.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(TOML_TEXT_MAX);
 *	if (toml_edit_add_string(file, text, len, "imports", "/etc/containerd/kata.toml", &out,
 *				 err) < 0)
 *		return -1;
 *
 * and later, after whatever edits a person made meanwhile,
 *
 *	toml_edit_remove_string(file, text, len, "imports", "/etc/containerd/kata.toml", &out, err)
 *
 * gives what that person's document would be had we never been there. For a document that nobody
 * touched: add and remove give the original bytes.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Puts value at the end of the root table's array key; without such a key, the line KEY = ["VALUE"]
 * goes where root keys may stand: after the last one, before the first table header. Returns 0 for
 * the same bytes (it is there already), TOML_EDITED, or TOML_EDITED_NEW where the key was made too,
 * which a later removal has to know. E_CONFIG: the document is not TOML, or key is something else
 * than an array of strings. A value that is not UTF-8 is E_CONFIG too. */
enum { TOML_EDITED = 1, TOML_EDITED_NEW = 2 };
MUST_CHECK int toml_edit_add_string(const char *file, const char *text, size_t len, const char *key,
				    const char *value, struct buf *out, struct err *err);

/* Takes the element away (one; the last if there are several), with the comma and blanks that the
 * addition brought and without a comment that somebody put beside it; an array that is empty then
 * goes with its line if created says that the addition made it, unless somebody wrote a comment
 * into that line. Not there: the same bytes, 0; changed: TOML_EDITED. */
MUST_CHECK int toml_edit_remove_string(const char *file, const char *text, size_t len,
				       const char *key, const char *value, bool created,
				       struct buf *out, struct err *err);

/* Appends value as a basic TOML string, quotes included. */
void toml_edit_quote(struct buf *out, const char *value);
