// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Verbs with subverbs: `VERB NAME [OPTION...] [OPERAND...]`. */

#include "base/err.h"
#include "base/opt.h"

/* As most: no limit, and the operands have a command, with options of its own. */
enum { SUBVERB_COMMAND = -2 };

struct subverb {
	const char *name;
	const char *operands; /* their names in the help, "" for none */
	const char *help;
	const struct opt *opts;
	int (*run)(int argc, char **argv, struct err *err); /* gets the operands only */
	int least, most; /* number of operands; most -1: no limit, or SUBVERB_COMMAND */
};

/* Sets E_USAGE for a name that is missing (NULL) or not in names (NULL at the end), with a hint. */
void subverb_unknown(const char *const *names, const char *verb, const char *name, struct err *err);

/* Runs the subverb argv[1] of a table that ends with a NULL name; argv[0] is the verb. E_USAGE for
 * an unknown subverb, whose hint suggests a similar one, and for wrong options or operands. --help,
 * also behind operands that are no command, and "help [NAME]" print the help. */
MUST_CHECK int subverb_run(const struct subverb *table, int argc, char **argv, struct err *err);
