// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Verbs that have verbs of their own: `VERB NAME [OPTION...] [OPERAND...]`. */

#include "base/err.h"
#include "base/opt.h"

struct subverb {
	const char *name;
	const char *operands; /* what the help calls them, "" for none */
	const char *help;
	const struct opt *opts;
	int (*run)(int argc, char **argv, struct err *err); /* operands only */
	int least, most;                                    /* how many operands; most -1: any */
};

/* E_USAGE for a name that none of names (NULL at the end) is; name NULL: there was none. */
void subverb_unknown(const char *const *names, const char *verb, const char *name, struct err *err);

/* table ends with a NULL name. E_USAGE names the nearest. --help prints what there is. */
MUST_CHECK int subverb_run(const struct subverb *table, int argc, char **argv, struct err *err);
