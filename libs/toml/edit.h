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
 * goes where root keys may stand: before the first table header, after the last root key. The
 * element is there already: the same bytes, returns 0; changed: 1. E_CONFIG: the document is not
 * TOML, or key is something else than an array of strings. */
MUST_CHECK int toml_edit_add_string(const char *file, const char *text, size_t len, const char *key,
				    const char *value, struct buf *out, struct err *err);

/* Takes the element away (one; the last if there are several), with the comma and blanks that the
 * addition brought; an array that is empty then goes with its line if created says that the
 * addition made it. Not there: the same bytes, 0; changed: 1. */
MUST_CHECK int toml_edit_remove_string(const char *file, const char *text, size_t len,
				       const char *key, const char *value, bool created,
				       struct buf *out, struct err *err);
