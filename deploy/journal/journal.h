// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * state/journal: the running change, as lines "SUM JSON", where SUM is 16 hex digits of the SHA-256
 * of the JSON text.
 *
 *	SUM {"journal":1,"verb":"install","actions":2,...}
 *	SUM {"action":"link","path":"current",...}
 *	SUM {"action":"file",...}
 *	SUM {"word":"commit"}
 *
 * The header and the actions are written as one file, atomically, before anything is changed. A
 * word is one appended line; an incomplete one is ignored, and the last complete one counts. So at
 * every moment the journal determines how to recover from a crash:
 *
 *	no journal			nothing was begun, or it is finished
 *	journal, no word or "undo"	undo every action, newest first, then remove it
 *	journal, "forward"		go on with the steps that are left, then commit; if one fails,
 *					undo
 *	journal, "back"			undo; at the time of the word the files were as before
 *	journal, "commit"		do what comes after the commit, then remove it
 */

#include "base/buf.h"
#include "base/err.h"
#include "deploy/plan/plan.h"

#include <stdbool.h>
#include <stddef.h>

enum journal_word { JOURNAL_NONE, JOURNAL_COMMIT, JOURNAL_UNDO, JOURNAL_FORWARD, JOURNAL_BACK };

void journal_format(const struct plan *p, struct buf *to);
/* Fills p with the actions, enough to undo them or to finish after the commit, and with resumes and
 * restored as the words tell. E_INVALID: not a journal of ours. E_UNSUPPORTED: a newer schema. */
MUST_CHECK int journal_parse(struct plan *p, enum journal_word *word, const char *text, size_t len,
			     struct err *err);

/* state is an fd of the state directory. The journal is on disk when journal_begin succeeds, the
 * word when journal_say succeeds; if journal_say fails, the word may or may not be on disk. */
MUST_CHECK int journal_begin(int state, const struct plan *p, struct err *err);
MUST_CHECK int journal_say(int state, enum journal_word word, struct err *err);
/* 1: there is one, 0: there is none. */
MUST_CHECK int journal_load(int state, struct plan *p, enum journal_word *word, struct err *err);
MUST_CHECK int journal_end(int state, struct err *err);
