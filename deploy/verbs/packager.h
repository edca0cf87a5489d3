// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The verbs of packagers: `kata-deploy release build|sign|channel|check|diff` and `kata-deploy keys
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

/* Subverbs of keys: for nodes (rotate.c, trusted.c), and for roots (root.c). */
extern const struct opt rotate_opts[], trusted_opts[], trust_opts[], forget_opts[], root_opts[],
	root_sign_opts[];
MUST_CHECK int keys_rotate(int argc, char **argv, struct err *err);
MUST_CHECK int keys_show(int argc, char **argv, struct err *err);
MUST_CHECK int keys_trust(int argc, char **argv, struct err *err);
MUST_CHECK int keys_forget(int argc, char **argv, struct err *err);
MUST_CHECK int keys_root(int argc, char **argv, struct err *err);
MUST_CHECK int keys_sign(int argc, char **argv, struct err *err);

/* The tables of subverbs, for help and completion. */
extern const struct subverb release_verbs[], keys_verbs[];

/* Parses a time: seconds since 1970, a timestamp (stamp.h) or, if start is not 0, "Nd": N days
 * after start. Leaves *out alone if text is NULL. what names the value in the message. E_USAGE. */
MUST_CHECK int when_parse(const char *text, const char *what, uint64_t start, uint64_t *out,
			  struct err *err);
/* Reads a secret key; if it is encrypted, gets its passphrase (fd as in passphrase_get()). The
 * caller wipes the key. */
MUST_CHECK int secret_load(const char *path, const char *fd, struct minisig_secret *secret,
			   struct err *err);
/* Parses --role; leaves *out alone if text is NULL. E_USAGE. */
MUST_CHECK int role_parse(const char *text, enum trust_role *out, struct err *err);

/* Returns a public key as {"id", "name", "key"}, which the caller frees; and prints that as a
 * line. */
struct json *key_json(const struct minisig_key *key, const char *name);
void key_print(const struct json *j);
