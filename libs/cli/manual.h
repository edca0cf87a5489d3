// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Help, man page and shell completions, all from the tables that the parser uses, so that none of
 * them can be out of date. `PROGRAM manual man|bash|zsh|fish` prints them; `make install` keeps
 * what it prints.
 */

#include "base/err.h"
#include "cli/subverb.h"

#include <stdio.h>

/* Verbs that have verbs of their own. */
struct family {
	const char *name, *help;
	const struct subverb *verbs;
	int (*run)(int argc, char **argv, struct err *err);
};

struct manual {
	const char *name, *text; /* of the program */
	const struct subverb *verbs;
	const struct family *families;
};

void manual_help(const struct manual *m, FILE *to);
/* what: "man", "bash", "zsh", "fish". E_USAGE. */
MUST_CHECK int manual_print(const struct manual *m, const char *what, FILE *to, struct err *err);
