// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The packager's verbs: `kata-deploy release build|sign|check|diff` and `kata-deploy keys
 * generate|show|rotate`. argv[0] is the verb, argv[1] the subverb; --help lists the options.
 * Results go to standard output, as JSON with --json. They return 0, or -1 and the error.
 */

#include "base/err.h"
#include "cli/subverb.h"

MUST_CHECK int verb_release(int argc, char **argv, struct err *err);
MUST_CHECK int verb_keys(int argc, char **argv, struct err *err);

/* The subverb `keys rotate`, for nodes (rotate.c). */
extern const struct opt rotate_opts[];
MUST_CHECK int keys_rotate(int argc, char **argv, struct err *err);

/* Their tables of subverbs, for help and completion. */
extern const struct subverb release_verbs[], keys_verbs[];
