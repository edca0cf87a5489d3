// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs kata-deploy, which does the work of kata-manager. It is looked for in the directory of
 * kata-manager, then in PATH.
 */

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

/* Options that are passed on to kata-deploy; each may be NULL. */
struct engine_options {
	const char *prefix;
	char **releases, **keys; /* strv */
	const char *cri;
	char *const *more; /* further words of the command line, passed on unchanged; strv */
};
extern struct engine_options engine;

/* Runs any program with our standard streams and waits for its end; *status: its exit status. The
 * signals that ask us to end are passed on to it, which decides; what was ignored is ignored there
 * too. E_CANCELLED: one arrived before. */
MUST_CHECK int run_here(char *const *argv, int *status, struct err *err);

/* Runs kata-deploy with our standard streams. words: verb and options, strv. If it fails, the error
 * has the code of its exit status; it has printed the message itself. */
MUST_CHECK int engine_run(char *const *words, struct err *err);

/* Runs kata-deploy with --json and returns its document, which the caller frees: also that of a
 * verb that failed. NULL: it printed no document. */
struct json *engine_ask(char *const *words, struct err *err);

/* Returns -1 with the error of the document, if it has one. */
MUST_CHECK int engine_check(const struct json *answer, struct err *err);

/* Append the given options to words. */
void engine_add_place(char ***words);
void engine_add_release(char ***words);
