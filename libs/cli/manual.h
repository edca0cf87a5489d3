// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The command line of a program with verbs. Dispatch, help, man page and shell completions come
 * from one table, so that none can be out of date. `PROGRAM manual man|bash|zsh|fish` prints man
 * page and completions; `make install` installs them. A program without verbs has its options in
 * opts, parses them itself, and calls manual_print() for `PROGRAM manual`.
 */

#include "base/err.h"
#include "base/opt.h"
#include "cli/subverb.h"

#include <stdio.h>

/* A verb with subverbs. */
struct family {
	const char *name, *help;
	const struct subverb *verbs;
	int (*run)(int argc, char **argv, struct err *err); /* calls subverb_run() */
};

/* An environment variable or a file that the program uses. */
struct variable {
	const char *name, *text;
};

struct manual {
	const char *name, *text;                  /* the program, and what it does */
	const struct variable *variables, *files; /* end with a NULL name; NULL: none */
	const struct subverb *verbs;   /* ends with a NULL name; NULL: a program without verbs */
	const struct family *families; /* ends with a NULL name */
	const struct opt *opts;        /* of a program without verbs */
	const char *about;             /* the description in its man page, a paragraph */
};

/* Runs the command line: a verb, help [VERB], --help, --version or manual. E_USAGE, and the errors
 * of the verb. */
MUST_CHECK int manual_run(const struct manual *m, int argc, char **argv, struct err *err);

/* Prints the list of verbs. */
void manual_help(const struct manual *m, FILE *to);
/* Prints the man page or the completions of a shell: what is "man", "bash", "zsh" or "fish", else
 * E_USAGE. */
MUST_CHECK int manual_print(const struct manual *m, const char *what, FILE *to, struct err *err);
