// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * state/journal records the running change, as lines "SUM JSON", where SUM is the first 16 hex
 * digits of the SHA-256 of the JSON text.
 *
 *	SUM {"journal":1,"verb":"install","actions":2,...}
 *	SUM {"action":"link","path":"current",...}
 *	SUM {"action":"file",...}
 *	SUM {"word":"commit"}
 *
 * The header and the actions are written as one file, atomically, before anything is changed. A
 * "word" is a line that is appended later; an incomplete word is ignored, and the last complete
 * word counts. So at every moment the journal determines how to recover from a crash:
 *
 *	no journal		the change was not begun, or it is finished
 *	no word, or "undo"	undo every action, newest first, then remove the journal
 *	"forward"		resume the remaining steps, then commit; if a step fails, undo
 *	"back"			undo; when the word was written, all files had their old contents
 *	"commit"		apply the actions after the commit, then remove the journal
 */

#include "base/buf.h"
#include "base/err.h"
#include "deploy/plan/plan.h"

#include <stdbool.h>
#include <stddef.h>

enum journal_word { JOURNAL_NONE, JOURNAL_COMMIT, JOURNAL_UNDO, JOURNAL_FORWARD, JOURNAL_BACK };

/* Appends the header and the actions. */
void journal_format(const struct plan *p, struct buf *to);
/* Parses a whole journal. Fills p, which the caller releases even after an error, with what is
 * needed to undo the change or to finish it, and sets p->resumes and p->restored from the words.
 * *word is the last one. E_INVALID: not a journal of ours. E_UNSUPPORTED: a newer schema. */
MUST_CHECK int journal_parse(struct plan *p, enum journal_word *word, const char *text, size_t len,
			     struct err *err);

/* In these, state is an fd of the state directory. */

/* Writes header and actions. They are on disk when it succeeds. */
MUST_CHECK int journal_begin(int state, const struct plan *p, struct err *err);
/* Appends a word. It is on disk when it succeeds; when it fails, it may or may not be on disk. */
MUST_CHECK int journal_say(int state, enum journal_word word, struct err *err);
/* Returns 1 with the journal parsed, or 0 if there is no journal. Errors as journal_parse(). */
MUST_CHECK int journal_load(int state, struct plan *p, enum journal_word *word, struct err *err);
/* Removes the journal, durably; succeeds if it does not exist. */
MUST_CHECK int journal_end(int state, struct err *err);
