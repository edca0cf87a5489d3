// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Sets of keys, and the memory: the state that is kept between runs. */

#include "base/vec.h"
#include "crypto/minisig.h"
#include "deploy/trust/trust.h"

enum {
	TRUST_ROOT_MAX = 64 << 10,
	TRUST_MEMORY_MAX = 1 << 20,
	TRUST_SERIALS_MAX = 256,
	TRUST_PREFIXES_MAX = 256,
};

/* Keys of the trust directory whose name ends so are for channels only. */
#define TRUST_CHANNEL_PUB ".channel.pub"

#define TRUST_BIT(role) (1U << (role))
enum { TRUST_BOTH = TRUST_BIT(TRUST_RELEASE) | TRUST_BIT(TRUST_CHANNEL) };

struct trust_key {
	struct minisig_key key;
	unsigned roles; /* TRUST_BIT of each */
	uint64_t since; /* when it was remembered; 0: it was not */
	char *name;     /* where it came from, for messages */
};

/* A root.json, or keys without one. */
struct trust_root {
	uint64_t version;                /* 0: no root.json */
	uint64_t expires;                /* 0: never */
	unsigned threshold[TRUST_ROLES]; /* 0: none is said */
	VEC(struct trust_key) keys;      /* without duplicates */
};
#define TRUST_ROOT_INIT          \
	{                        \
		.keys = VEC_INIT \
	}

void trust_root_release(struct trust_root *root);
DEFINE_AUTO_STRUCT(trust_root, struct trust_root, trust_root_release)

/* Adds a key; one that is there gets the roles too. E_LIMIT: too many. */
MUST_CHECK int trust_root_add(struct trust_root *root, const struct minisig_key *key,
			      unsigned roles, const char *name, struct err *err);
struct trust_key *trust_root_find(const struct trust_root *root, const struct minisig_key *key);
/* Replaces to. */
MUST_CHECK int trust_root_copy(struct trust_root *to, const struct trust_root *from,
			       struct err *err);
/* How many keys have the role. */
size_t trust_root_count(const struct trust_root *root, enum trust_role role);
/* The roles differ. */
bool trust_root_is_split(const struct trust_root *root);
/* Without a key for channels, those for releases have both roles. */
void trust_root_settle(struct trust_root *root);
MUST_CHECK int trust_root_parse(struct trust_root *root, const struct json *j, const char *name,
				struct err *err);
struct json *trust_root_json(const struct trust_root *root);
/* The line of base64 of a key; heap. */
char *trust_key_line(const struct minisig_key *key);

/* Add the keys of files, of a directory (none if it is missing), of the program. */
MUST_CHECK int trust_keys_of_files(struct trust_root *root, char *const *files,
				   enum trust_role role, struct err *err);
MUST_CHECK int trust_keys_of_directory(struct trust_root *root, const char *path, struct err *err);
MUST_CHECK int trust_keys_built_in(struct trust_root *root, struct err *err);
/* The directory's root.json: 1, or 0 if there is none. */
MUST_CHECK int trust_root_of_directory(struct trust_root *root, const char *path, struct err *err);

/* The memory, as in state/trust.json and, in part, in the file that outlives it. */
struct trust_serial {
	char *name;
	uint64_t serial;
};

struct trust_past {
	uint64_t time; /* latest "created" of an accepted document */
	VEC(struct trust_serial) serials;
	char *channel;          /* the one that is followed; NULL: none */
	struct trust_root root; /* version 0: none */
	struct trust_root keys; /* remembered: of --key; version 0 */
	struct json *decided;   /* the last report; NULL: none */
};
#define TRUST_PAST_INIT                                                                \
	{                                                                              \
		.serials = VEC_INIT, .root = TRUST_ROOT_INIT, .keys = TRUST_ROOT_INIT, \
	}

void trust_past_release(struct trust_past *past);
DEFINE_AUTO_STRUCT(trust_past, struct trust_past, trust_past_release)
/* The text of state/trust.json. */
MUST_CHECK int trust_past_parse(struct trust_past *past, const char *text, size_t len,
				struct err *err);
/* state as in trust_open: 1, or 0 if there is none. */
MUST_CHECK int trust_past_load(struct trust_past *past, int state, struct err *err);
/* Returns heap text. */
char *trust_past_format(const struct trust_past *past);
/* What outlives, as members of an object: neither remembered keys nor the decision. */
MUST_CHECK int trust_past_take(struct trust_past *past, const struct json *j, const char *name,
			       struct err *err);
void trust_past_put(const struct trust_past *past, struct json *j);
struct json *trust_roles_json(const struct trust_key *k);
struct trust_serial *trust_past_serial(struct trust_past *past, const char *name);
/* Raises the serial of that name, and the time. */
void trust_past_raise(struct trust_past *past, const char *name, uint64_t serial, uint64_t time);
/* Channels are known. */
bool trust_past_has_channel(const struct trust_past *past);
/* What from knows better is taken. own: past is that of the installation, whose channel counts. */
MUST_CHECK int trust_past_merge(struct trust_past *past, const struct trust_past *from, bool own,
				struct err *err);

/* The file that outlives (trust.h). */
struct trust_kept {
	char *file;            /* NULL: none is kept */
	char *prefix;          /* whose entry is ours */
	struct json *prefixes; /* the entries, as they were read */
};
void trust_kept_release(struct trust_kept *kept);
MUST_CHECK int trust_kept_load(struct trust_kept *kept, struct err *err);
/* Our entry: 1, or 0 if there is none. */
MUST_CHECK int trust_kept_past(const struct trust_kept *kept, struct trust_past *past,
			       struct err *err);
/* The text with past as our entry, or without one (NULL); NULL: nothing is left. */
char *trust_kept_format(const struct trust_kept *kept, const struct trust_past *past);

struct trust {
	struct trust_root root; /* the trusted keys */
	const char *source;
	unsigned asked; /* --threshold */
	char *pin;
	bool allow_downgrade, allow_expired, without_channel, installed_only, memory_only;
	uint64_t clock;
	struct trust_past past;
	struct trust_kept kept;
	enum trust_learning learning;
	bool learned;                    /* the memory is not as it was read */
	struct json *documents, *waived; /* for the report */
};

/* How many keys must have signed a document of that role. */
unsigned trust_threshold(const struct trust *t, const struct trust_root *root,
			 enum trust_role role);
/* The latest of the times that cannot be in the future; *from: which one it was. */
uint64_t trust_now(const struct trust *t, const char **from);
/* Adds them to those of the memory. */
MUST_CHECK int trust_keys_remember(struct trust *t, const struct trust_root *from, struct err *err);
