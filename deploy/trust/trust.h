// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Verifies signed documents. The checks and their order are the same for every transport:
 *
 *	length limit → k of n signatures → expiry → serial not lower than the highest accepted one
 *
 * No document is parsed before its signatures are verified. state/trust.json records the decision,
 * with the checks that were waived, and the memory that later runs need: the highest serial of each
 * channel, the channel that is followed, the latest time seen, the root, the remembered keys.
 *
 *	AUTO(trust) struct trust *t = NULL;
 *	if (trust_open(&(struct trust_options){ .keys = keys, ... }, state, &t, err) < 0)
 *		return -1;		// E_TRUST: there is no key at all
 *	if (trust_signatures(t, "release.yaml", text, len, sigs, nsigs, err) < 0 ||
 *	    release_parse(...) < 0 ||
 *	    trust_fresh(t, "release", r.serial, r.created, r.expires, err) < 0)
 *		return -1;
 *	AUTO(str) char *memory = trust_memory(t);	// goes into state/trust.json with the
 *	...						// commit of the install
 *
 * Roles: a key is for releases, or for channels, or for both. If no key is for channels, the keys
 * for releases have both roles. A document is accepted only from keys of its role.
 *
 * The trusted keys come from the first of these sources that has any; sources are never combined:
 *
 *	1. --key and --channel-key
 *	2. the root of the memory or the directory's root.json, whichever has the higher version
 *	3. keys remembered from an earlier --key
 *	4. the directory's *.pub (*.channel.pub: for channels only)
 *	5. keys compiled in (make TRUSTED_KEYS="FILE ...")
 *
 * A copy of the memory outside the prefix survives an uninstall. It has an entry for each prefix; a
 * run merges the entry of its prefix with state/trust.json.
 *
 * Expiry is compared with the latest of the clock, the last time seen, and the build time: a clock
 * that is at 1970 or was set back does not make an expired document valid. The last time seen is
 * the creation time of an accepted document, never the clock: a clock in the far future has no
 * lasting effect. A document that was created more than a day after a clock that can be right is
 * refused, for the same reason.
 */

#include "base/err.h"
#include "base/scope.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRUST_DIRECTORY "/etc/kata-deploy/trust.d"
/* The copy of the memory that survives an uninstall: its directory and file name. */
#define TRUST_KEPT      "/var/lib/kata-deploy"
#define TRUST_KEPT_NAME "trust.json"

enum { TRUST_SIGNATURES_MAX = 16, TRUST_KEYS_MAX = 32 };

enum trust_role { TRUST_RELEASE, TRUST_CHANNEL, TRUST_ROLES };
/* Returns "release" or "channel". */
const char *trust_role_name(enum trust_role role);

struct trust_options {
	/* --key FILE, --channel-key FILE: strv, or NULL. If one is given, no other key is
	 * trusted. */
	char *const *keys, *const *channel_keys;
	unsigned threshold;    /* --threshold K, for releases; 0: that of the root, or 1 */
	const char *directory; /* of *.pub and root.json, such as TRUST_DIRECTORY; may be missing */
	const char *kept;      /* path of the copy that survives an uninstall; NULL: none */
	const char *prefix;    /* the prefix as the node sees it: selects the entry of that copy */
	/* --pin: the SHA-256 that release.yaml must have besides its signatures; waives expiry. It
	 * applies to documents whose name ends in "release.yaml". */
	const char *pin;
	bool allow_downgrade, allow_expired;
	bool without_channel; /* accept a source without the channel that is followed */
	/* The caller accepts only the release that is installed already: expiry and serials are not
	 * checked, and the memory is not changed. */
	bool installed_only;
	bool memory_only; /* read no keys: for changes of the memory; trust_signatures() fails */
	uint64_t now;     /* the clock, seconds since 1970 */
	/* The clock if now is another time, such as that of an image's sources, which may be older
	 * than the release; 0: now is the clock. */
	uint64_t clock;
};

struct trust;

/* The text of a .minisig file; borrowed. */
struct trust_signature {
	const char *name; /* for messages */
	const char *text;
	size_t len;
};

/* Reads the memory and the trusted keys. state: an fd of the prefix's state directory, with
 * trust.json; -1: there is none yet. *out is closed with trust_close().
 * E_TRUST: there is no key, or fewer than the threshold. E_INVALID: a key, root or state file is
 * damaged. E_USAGE: the pin is not a SHA-256. */
MUST_CHECK int trust_open(const struct trust_options *o, int state, struct trust **out,
			  struct err *err);
void trust_close(struct trust *t);
DEFINE_AUTO(trust, struct trust *, NULL, trust_close)

/* Verifies that at least threshold different trusted keys signed exactly these bytes. A document
 * whose name ends in "channel.yaml" needs keys for channels, every other one keys for releases.
 * Signatures by unknown keys are ignored; a bad signature by a trusted key is an error. E_TRUST:
 * the message has the number of good signatures, the ids of the keys that did not sign and of the
 * keys that did. E_LIMIT: the document is too long, or has too many signatures. E_INVALID,
 * E_UNSUPPORTED: a signature cannot be parsed. */
MUST_CHECK int trust_signatures(struct trust *t, const char *name, const void *data, size_t len,
				const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* Checks expiry, creation and serial of a verified document. name is the series of its serial:
 * "release", or the name of a channel, which must be the channel that is followed. Accepted values
 * become part of trust_memory(). E_TRUST: it is refused. E_LIMIT: too many channels are
 * remembered. */
MUST_CHECK int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
			   uint64_t expires, struct err *err);

/* To call for a source without channel.yaml. E_TRUST: this installation follows a channel, so the
 * source may be hiding newer releases; without_channel or a pin waives this. */
MUST_CHECK int trust_no_channel(struct trust *t, struct err *err);

/*
 * Accepts a new set of keys, root.json: {"version", "keys", "threshold", "expires"}, or, with
 * roles, {"version", "expires", "roles": {"release": {"keys", "threshold"}, "channel": {...}}}.
 *
 * Both the old keys for releases and the new ones must have signed it, each with their threshold;
 * the old root may have expired. Its version must be one higher than the old root's, or 1 if there
 * is no root. It becomes part of trust_memory(), and from then on replaces the keys of the
 * directory and the remembered ones. If it changes the keys or the threshold for channels, their
 * serials and the last time seen start again. E_TRUST: it is refused. E_INVALID, E_LIMIT.
 */
MUST_CHECK int trust_rotate(struct trust *t, const char *text, size_t len,
			    const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* The contents of a new root.json. A member that is not given (NULL, 0) is taken from the root that
 * it follows. */
struct trust_root_new {
	const char *after; /* text of the root that it follows; NULL: this is the first root */
	size_t after_len;
	char *const *keys,
		*const *channel_keys; /* files; never channel_keys: keys have both roles */
	unsigned threshold, channel_threshold;
	uint64_t expires;
};
/* Returns the text of an unsigned root.json, heap. NULL with E_USAGE: a first root lacks keys or
 * expiry; E_INVALID: a threshold is wrong, or after is damaged. */
char *trust_root_text(const struct trust_root_new *n, struct err *err);

/* Returns the decision, for trust.json and for --json: keys, signatures, serials, time, waived
 * checks. The caller frees it. */
struct json *trust_report(const struct trust *t);

/* What a run with --key does with its keys. */
enum trust_learning {
	TRUST_LEARNS_NOTHING, /* no --key, or its keys are known already */
	TRUST_REMEMBERS,      /* no keys were remembered: these are, with trust_memory() */
	TRUST_PASSES,         /* others are remembered: these are used in this run only */
};
enum trust_learning trust_learning(const struct trust *t);

/* Adds the keys of files (strv) to the remembered ones; an empty list is success. E_STATE: there is
 * a root, which takes precedence over remembered keys. */
MUST_CHECK int trust_remember(struct trust *t, char *const *files, enum trust_role role,
			      struct err *err);
/* Forgets the remembered key with that id (16 hex digits). E_NOT_FOUND: no such key. E_STATE: fewer
 * keys than the threshold would be left. */
MUST_CHECK int trust_forget(struct trust *t, const char *id, struct err *err);
/* Forgets all remembered keys. */
void trust_forget_all(struct trust *t);
/* Returns the remembered keys, a list in the form of "keys" in trust_report(); the caller frees
 * it. */
struct json *trust_remembered(const struct trust *t);

/* True if trust_memory() differs from the memory that was read. */
bool trust_has_learned(const struct trust *t);
/* True if the memory has serials, a time or a root. */
bool trust_has_memory(const struct trust *t);
/* Checks that trust.json in the state directory can be parsed; it may be missing. E_INVALID. */
MUST_CHECK int trust_check_memory(int state, struct err *err);

/* Returns the new contents of state/trust.json, heap, which the caller writes with its change
 * (deploy_change.trust). */
char *trust_memory(const struct trust *t);
/* Returns the new contents of the copy that survives an uninstall, heap: without keys, with the
 * entry of our prefix or without it; NULL if it has no entries. Beyond 256 entries the oldest are
 * dropped. */
char *trust_kept(const struct trust *t, bool entry);
