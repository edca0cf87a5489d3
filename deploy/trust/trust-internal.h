// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Sets of keys, and the memory: what deploy/trust stores between runs. */

#include "base/vec.h"
#include "crypto/minisig.h"
#include "deploy/trust/trust.h"

enum {
	TRUST_ROOT_MAX = 64 << 10,
	TRUST_MEMORY_MAX = 1 << 20,
	TRUST_SERIALS_MAX = 256,
	TRUST_PREFIXES_MAX = 256,
};

/* Files of the trust directory with this suffix have keys for channels only. */
#define TRUST_CHANNEL_PUB ".channel.pub"

#define TRUST_BIT(role) (1U << (role))
enum { TRUST_BOTH = TRUST_BIT(TRUST_RELEASE) | TRUST_BIT(TRUST_CHANNEL) };

struct trust_key {
	struct minisig_key key;
	unsigned roles; /* TRUST_BIT of each */
	uint64_t since; /* when it was remembered, seconds since 1970; 0: it was not */
	char *name;     /* its file or a label, for messages */
};

/* A set of keys: those of a root.json, or of files. */
struct trust_root {
	uint64_t version;                /* of root.json; 0: the keys are not from a root.json */
	uint64_t expires;                /* 0: never */
	unsigned threshold[TRUST_ROLES]; /* 0: not given */
	VEC(struct trust_key) keys;      /* without duplicates */
};
#define TRUST_ROOT_INIT          \
	{                        \
		.keys = VEC_INIT \
	}

void trust_root_release(struct trust_root *root);
DEFINE_AUTO_STRUCT(trust_root, struct trust_root, trust_root_release)

/* Adds a key, or the roles to a key that the set has already. E_LIMIT: too many keys. */
MUST_CHECK int trust_root_add(struct trust_root *root, const struct minisig_key *key,
			      unsigned roles, const char *name, struct err *err);
/* Returns the key in the set, borrowed, or NULL. */
struct trust_key *trust_root_find(const struct trust_root *root, const struct minisig_key *key);
/* Replaces the contents of to. */
MUST_CHECK int trust_root_copy(struct trust_root *to, const struct trust_root *from,
			       struct err *err);
/* Returns how many keys have the role. */
size_t trust_root_count(const struct trust_root *root, enum trust_role role);
/* True if the two roles differ in keys or threshold. */
bool trust_root_is_split(const struct trust_root *root);
/* True if both sets need the same signatures for a document of that role. */
bool trust_root_agrees(const struct trust_root *a, const struct trust_root *b,
		       enum trust_role role);
/* Gives all keys both roles if none is for channels. */
void trust_root_settle(struct trust_root *root);
/* Parses root.json into an empty set. E_INVALID. */
MUST_CHECK int trust_root_parse(struct trust_root *root, const struct json *j, const char *name,
				struct err *err);
/* The same for a file that a person has made, with the remedy. */
MUST_CHECK int trust_root_read(struct trust_root *root, const struct json *j, const char *name,
			       struct err *err);
/* Returns root.json; the caller frees it. */
struct json *trust_root_json(const struct trust_root *root);
/* Returns a key as the line of base64 in a .pub file, heap. */
char *trust_key_line(const struct minisig_key *key);

/* Add the keys of files, of a directory (none if it does not exist), of the program. */
MUST_CHECK int trust_keys_of_files(struct trust_root *root, char *const *files,
				   enum trust_role role, struct err *err);
MUST_CHECK int trust_keys_of_directory(struct trust_root *root, const char *path, struct err *err);
MUST_CHECK int trust_keys_built_in(struct trust_root *root, struct err *err);
/* Parses the directory's root.json: returns 1, or 0 if it does not exist. */
MUST_CHECK int trust_root_of_directory(struct trust_root *root, const char *path, struct err *err);

/* The memory: in state/trust.json and, in part, in the copy that survives an uninstall. */
struct trust_serial {
	char *name;
	uint64_t serial;
};

struct trust_past {
	uint64_t time; /* latest "created" of an accepted document */
	VEC(struct trust_serial) serials;
	char *channel;          /* the channel that is followed; NULL: none */
	struct trust_root root; /* accepted by trust_rotate(); version 0: none */
	struct trust_root keys; /* remembered from --key; version 0 */
	struct json *decided;   /* the last trust_report(); NULL: none */
};
#define TRUST_PAST_INIT                                                                \
	{                                                                              \
		.serials = VEC_INIT, .root = TRUST_ROOT_INIT, .keys = TRUST_ROOT_INIT, \
	}

void trust_past_release(struct trust_past *past);
DEFINE_AUTO_STRUCT(trust_past, struct trust_past, trust_past_release)
/* Parses the text of state/trust.json. */
MUST_CHECK int trust_past_parse(struct trust_past *past, const char *text, size_t len,
				struct err *err);
/* Reads trust.json from the state directory (-1: none): returns 1, or 0 if it does not exist. */
MUST_CHECK int trust_past_load(struct trust_past *past, int state, struct err *err);
/* Returns the text of state/trust.json, heap. */
char *trust_past_format(const struct trust_past *past);
/* Take and put the members that both files have: all but remembered keys and the decision. */
MUST_CHECK int trust_past_take(struct trust_past *past, const struct json *j, const char *name,
			       struct err *err);
void trust_past_put(const struct trust_past *past, struct json *j);
/* Returns the names of a key's roles, a list; the caller frees it. */
struct json *trust_roles_json(const struct trust_key *k);
/* Returns the serial of that name, borrowed, or NULL. */
struct trust_serial *trust_past_serial(struct trust_past *past, const char *name);
/* Raises the serial of that name, and the time, if the given ones are higher. */
void trust_past_raise(struct trust_past *past, const char *name, uint64_t serial, uint64_t time);
/* Sets the serials of channels and the time to 0, for other keys sign channels from now on: one
 * document by a stolen key may have raised both so far that no later one is accepted. The names
 * stay, so that a source without the channel is still refused. */
void trust_past_restart(struct trust_past *past);
/* True if a serial of a channel is recorded. */
bool trust_past_has_channel(const struct trust_past *past);
/* Takes higher serials, a later time and a newer root from from; and its channel too, unless past
 * was read from state/trust.json (own). The one with the older root is restarted first if the
 * newer root has other keys for channels. */
MUST_CHECK int trust_past_merge(struct trust_past *past, struct trust_past *from, bool own,
				struct err *err);

/* The copy that survives an uninstall (trust.h). */
struct trust_kept {
	char *file;            /* NULL: there is no copy */
	char *prefix;          /* its entry is ours */
	struct json *prefixes; /* the entries as they were read; NULL: none */
};
void trust_kept_release(struct trust_kept *kept);
MUST_CHECK int trust_kept_load(struct trust_kept *kept, struct err *err);
/* Parses our entry: returns 1, or 0 if there is none. */
MUST_CHECK int trust_kept_past(const struct trust_kept *kept, struct trust_past *past,
			       struct err *err);
/* Returns the new text, heap, with past as our entry, or without our entry (past NULL); NULL if no
 * entry is left. */
char *trust_kept_format(const struct trust_kept *kept, const struct trust_past *past);

struct trust {
	struct trust_root root; /* the trusted keys */
	const char *source;
	unsigned asked; /* --threshold; 0: not given */
	char *pin;
	bool allow_downgrade, allow_expired, without_channel, installed_only, memory_only;
	uint64_t clock, today; /* trust_options.now; the later one of it and the real clock */
	struct trust_past past;
	struct trust_kept kept;
	enum trust_learning learning;
	bool learned;                    /* past differs from the memory that was read */
	struct json *documents, *waived; /* for the report */
};

/* Returns how many keys must have signed a document of that role. */
unsigned trust_threshold(const struct trust *t, const struct trust_root *root,
			 enum trust_role role);
/* Returns the time that expiry is compared with (trust.h); *from: "clock", "memory" or "build". */
uint64_t trust_now(const struct trust *t, const char **from);
/* Adds keys to the remembered ones. */
MUST_CHECK int trust_keys_remember(struct trust *t, const struct trust_root *from, struct err *err);
