// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * kata-deploy, which does the work: kata-manager only asks, says and starts it. The two programs
 * lie in one directory; else it is looked up in PATH.
 */

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"

/* Options of ours that are kata-deploy's too; each may be NULL. */
struct engine_options {
	const char *prefix;
	char **releases, **keys; /* strv */
	const char *cri;
	char *const *more; /* words of the command line that kata-deploy gets as they are; strv */
};
extern struct engine_options engine;

/* Runs any program with our standard streams, to its end. */
MUST_CHECK int run_here(char *const *argv, int *status, struct err *err);

/* Runs it with our standard streams. words: verb and options, strv. An exit status that is not 0
 * becomes the error of that status: what was wrong, it has said already. */
MUST_CHECK int engine_run(char *const *words, struct err *err);

/* Its answer to a question with --json, heap; also when it ended with an error status but printed a
 * document. NULL: the error. */
struct json *engine_ask(char *const *words, struct err *err);

/* -1 and its error, if that is what it answered. */
MUST_CHECK int engine_check(const struct json *answer, struct err *err);

/* Puts the options that were given behind words. */
void engine_add_place(char ***words);
void engine_add_release(char ***words);
