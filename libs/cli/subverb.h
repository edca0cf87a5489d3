// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Verbs that have verbs of their own: `VERB NAME [OPTION...] [OPERAND...]`. */

#include "base/err.h"
#include "base/opt.h"

struct subverb {
	const char *name;
	const char *operands; /* their names in the help, "" for none */
	const char *help;
	const struct opt *opts;
	int (*run)(int argc, char **argv, struct err *err); /* operands only */
	int least, most;                                    /* number of operands; most -1: no
							     * limit */
};

/* Sets E_USAGE: name is none of names (NULL at the end), or missing (NULL). */
void subverb_unknown(const char *const *names, const char *verb, const char *name, struct err *err);

/* Runs the subverb argv[1] of a table that ends with a NULL name. E_USAGE: an unknown one; the hint
 * suggests a similar one. --help and "help [NAME]" print the help. */
MUST_CHECK int subverb_run(const struct subverb *table, int argc, char **argv, struct err *err);
