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
 * Header and actions are written at once, as a file that replaces nothing or is replaced by
 * nothing, before the first change of the world. A word is one appended line; a torn one was never
 * said, and the last one counts. So a journal says at every moment what a crash there means:
 *
 *	no journal			nothing was begun, or it is over
 *	journal, no word or "undo"	undo every action, newest first, then remove it
 *	journal, "commit"		do what comes after the commit, then remove it
 */

#include "base/buf.h"
#include "base/err.h"
#include "deploy/plan/plan.h"

#include <stdbool.h>
#include <stddef.h>

enum journal_word { JOURNAL_NONE, JOURNAL_COMMIT, JOURNAL_UNDO };

void journal_format(const struct plan *p, struct buf *to);
/* Fills p with what it can, for undo and for what comes after the commit. E_INVALID for anything
 * that we did not write. */
MUST_CHECK int journal_parse(struct plan *p, enum journal_word *word, const char *text, size_t len,
			     struct err *err);

/* In the state directory. journal_begin is durable when it returns, journal_say when it succeeds;
 * when journal_say fails, the word may or may not have been said. */
MUST_CHECK int journal_begin(int state, const struct plan *p, struct err *err);
MUST_CHECK int journal_say(int state, enum journal_word word, struct err *err);
/* 1: there is one, 0: there is none. */
MUST_CHECK int journal_load(int state, struct plan *p, enum journal_word *word, struct err *err);
MUST_CHECK int journal_end(int state, struct err *err);
