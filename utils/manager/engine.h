// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs kata-deploy, which does the work of kata-manager. It is searched in the directory of
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
	char *const *more; /* words of the command line passed on unchanged; strv */
};
extern struct engine_options engine;

/* Runs any program with our standard streams and waits for it. */
MUST_CHECK int run_here(char *const *argv, int *status, struct err *err);

/* Runs kata-deploy with our standard streams. words: verb and options, strv. A non-zero exit status
 * becomes the error code of that status; kata-deploy has printed the message. */
MUST_CHECK int engine_run(char *const *words, struct err *err);

/* Runs kata-deploy with --json and returns its document, which the caller frees; also if it failed
 * but printed a document. NULL: the error. */
struct json *engine_ask(char *const *words, struct err *err);

/* -1 and the error, if the document has one. */
MUST_CHECK int engine_check(const struct json *answer, struct err *err);

/* Append the given options to words. */
void engine_add_place(char ***words);
void engine_add_release(char ***words);
