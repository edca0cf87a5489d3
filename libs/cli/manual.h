// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A program with verbs: dispatch, help, man page and shell completions come from one table, so that
 * none can be out of date. `PROGRAM manual man|bash|zsh|fish` prints man page and completions;
 * `make install` installs them. A program without verbs has its options in opts, parses them itself,
 * and calls manual_print() for the same words.
 */

#include "base/err.h"
#include "base/opt.h"
#include "cli/subverb.h"

#include <stdio.h>

/* Verbs that have verbs of their own. */
struct family {
	const char *name, *help;
	const struct subverb *verbs;
	int (*run)(int argc, char **argv, struct err *err);
};

/* A variable of the environment that counts. */
struct variable {
	const char *name, *text;
};

struct manual {
	const char *name, *text;          /* of the program */
	const struct variable *variables; /* ends with a NULL name; NULL: none */
	const struct subverb *verbs;      /* NULL: it has opts instead */
	const struct family *families;
	const struct opt *opts;
	const char *about; /* with opts: a paragraph */
};

/* Runs the command line: a verb, help [VERB], --help, --version or manual. E_USAGE, and the errors of the
 * verb. */
MUST_CHECK int manual_run(const struct manual *m, int argc, char **argv, struct err *err);

void manual_help(const struct manual *m, FILE *to);
/* what: "man", "bash", "zsh", "fish". E_USAGE. */
MUST_CHECK int manual_print(const struct manual *m, const char *what, FILE *to, struct err *err);
