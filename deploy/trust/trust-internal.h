// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Sets of keys, and the state that is kept between runs. */

#include "base/vec.h"
#include "crypto/minisig.h"
#include "deploy/trust/trust.h"

enum { TRUST_ROOT_MAX = 64 << 10, TRUST_MEMORY_MAX = 1 << 20, TRUST_SERIALS_MAX = 256 };

struct trust_key {
	struct minisig_key key;
	char *name; /* where it came from, for messages */
};

/* A root.json, or keys without one. */
struct trust_root {
	uint64_t version; /* 0: no root.json */
	uint64_t expires; /* 0: never */
	unsigned threshold;
	VEC(struct trust_key) keys; /* without duplicates */
};

void trust_root_release(struct trust_root *root);
DEFINE_AUTO_STRUCT(trust_root, struct trust_root, trust_root_release)

/* Adds a key; a duplicate is ignored. E_LIMIT: too many. */
MUST_CHECK int trust_root_add(struct trust_root *root, const struct minisig_key *key,
			      const char *name, struct err *err);
MUST_CHECK int trust_root_parse(struct trust_root *root, const struct json *j, const char *name,
				struct err *err);
struct json *trust_root_json(const struct trust_root *root);

/* Add the keys of files, of a directory (none if it is missing), of the program. */
MUST_CHECK int trust_keys_of_files(struct trust_root *root, char *const *files, struct err *err);
MUST_CHECK int trust_keys_of_directory(struct trust_root *root, const char *path, struct err *err);
MUST_CHECK int trust_keys_built_in(struct trust_root *root, struct err *err);
/* The directory's root.json: 1, or 0 if there is none. */
MUST_CHECK int trust_root_of_directory(struct trust_root *root, const char *path, struct err *err);

/* state/trust.json. */
struct trust_serial {
	char *name;
	uint64_t serial;
};

struct trust_past {
	uint64_t time; /* latest "created" of an accepted document */
	VEC(struct trust_serial) serials;
	struct trust_root root; /* version 0: none */
};

void trust_past_release(struct trust_past *past);
MUST_CHECK int trust_past_parse(struct trust_past *past, const char *text, size_t len,
				struct err *err);
/* state as in trust_open. */
MUST_CHECK int trust_past_load(struct trust_past *past, int state, struct err *err);
/* Takes ownership of decided. Returns heap text. */
char *trust_past_format(const struct trust_past *past, struct json *decided);
struct trust_serial *trust_past_serial(struct trust_past *past, const char *name);
