// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The verbs with subverbs: `kata-deploy release build|sign|channel|check|diff` and `kata-deploy keys
 * generate|show|root|sign|rotate|trust|forget`. argv[0] is the verb, argv[1] the subverb; --help
 * lists the options. Results go to standard output, as JSON with --json. They return 0, or -1 and
 * the error.
 */

#include "base/err.h"
#include "cli/subverb.h"
#include "crypto/minisig.h"
#include "deploy/trust/trust.h"
#include "json/json.h"

#include <stdint.h>

MUST_CHECK int verb_release(int argc, char **argv, struct err *err);
MUST_CHECK int verb_keys(int argc, char **argv, struct err *err);

/* Subverbs of keys for nodes (rotate.c, trusted.c), and about roots (root.c). */
extern const struct opt rotate_opts[], trusted_opts[], trust_opts[], forget_opts[], root_opts[],
	root_sign_opts[];
MUST_CHECK int keys_rotate(int argc, char **argv, struct err *err);
MUST_CHECK int keys_show(int argc, char **argv, struct err *err);
MUST_CHECK int keys_trust(int argc, char **argv, struct err *err);
MUST_CHECK int keys_forget(int argc, char **argv, struct err *err);
MUST_CHECK int keys_root(int argc, char **argv, struct err *err);
MUST_CHECK int keys_sign(int argc, char **argv, struct err *err);

/* Their tables of subverbs, for help and completion. */
extern const struct subverb release_verbs[], keys_verbs[];

/* Parses seconds since 1970, a timestamp, or, with a start, "Nd"; NULL leaves *out. E_USAGE. */
MUST_CHECK int when_parse(const char *text, const char *what, uint64_t start, uint64_t *out,
			  struct err *err);
/* Reads a secret key; for its passphrase fd is that of passphrase.h. */
MUST_CHECK int secret_load(const char *path, const char *fd, struct minisig_secret *secret,
			   struct err *err);
/* --role; NULL: *out is as it was. E_USAGE. */
MUST_CHECK int role_parse(const char *text, enum trust_role *out, struct err *err);

/* A public key as {"id", "name", "key"}, which the caller frees, and as a line. */
struct json *key_json(const struct minisig_key *key, const char *name);
void key_print(const struct json *j);
