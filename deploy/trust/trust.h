// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Verifies signed documents: one set of checks, in one order, whatever the transport:
 *
 *	length cap → k of n signatures → expiry → serial not lower than the last one seen
 *
 * No document is parsed before its signatures are verified. The decision, and which checks were
 * waived, is recorded in state/trust.json together with the memory that later runs need: the
 * highest serial per channel, the channel that is followed, the latest time seen, the root, the
 * keys of --key.
 *
 *	AUTO(trust) struct trust *t = NULL;
 *	if (trust_open(&(struct trust_options){ .keys = keys, ... }, state, &t, err) < 0)
 *		return -1;		// no key at all: E_TRUST, says how to give one
 *	if (trust_signatures(t, "release.yaml", text, len, sigs, nsigs, err) < 0 ||
 *	    release_parse(...) < 0 ||
 *	    trust_fresh(t, "release", r.serial, r.created, r.expires, err) < 0)
 *		return -1;
 *	AUTO(str) char *memory = trust_memory(t);	// goes into state/trust.json with the
 *	...						// commit of the install
 *
 * Roles: a key signs releases, or channels, or both. Where no key is for channels only, those for
 * releases are for channels too; else a key for releases is accepted for a channel only if it has
 * both roles, and one for channels never for a release.
 *
 * Trusted keys are those of --key and --channel-key; else those of the root in the memory or of the
 * directory's root.json, whichever has the higher version; else those remembered from an earlier
 * --key; else the directory's *.pub (*.channel.pub: for channels); else those built in
 * (make TRUSTED_KEYS="FILE ..."). Only the first of these that exists is used; they are never
 * combined.
 *
 * The memory has a copy outside the prefix that outlives an uninstall; a run reads the newer of
 * both. It has an entry per prefix.
 *
 * The time used for expiry is the latest of the clock, the last time seen, and the build time, so a
 * clock that is at 1970 or was set back does not make an expired document valid. The last time seen
 * is the creation time of an accepted release, never the clock, so a clock in the far future has no
 * lasting effect.
 */

#include "base/err.h"
#include "base/scope.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRUST_DIRECTORY "/etc/kata-deploy/trust.d"
/* The directory of the memory that outlives an uninstall, and the file in it. */
#define TRUST_KEPT      "/var/lib/kata-deploy"
#define TRUST_KEPT_NAME "trust.json"

enum { TRUST_SIGNATURES_MAX = 16, TRUST_KEYS_MAX = 32 };

enum trust_role { TRUST_RELEASE, TRUST_CHANNEL, TRUST_ROLES };
/* "release", "channel". */
const char *trust_role_name(enum trust_role role);

struct trust_options {
	/* --key FILE, --channel-key FILE; if there is one, nothing else is trusted */
	char *const *keys, *const *channel_keys;
	unsigned threshold;    /* --threshold K, of releases; 0: 1, or what the root says */
	const char *directory; /* such as TRUST_DIRECTORY: *.pub, and root.json if any */
	const char *kept;      /* the file of the memory that outlives; NULL: none */
	const char *prefix;    /* whose memory it is, as the system itself calls it */
	/* --pin SHA256 of release.yaml: must match as well; waives expiry. It is compared with
	 * documents whose name ends in "release.yaml". */
	const char *pin;
	bool allow_downgrade, allow_expired;
	bool without_channel; /* accept a source that lacks the followed channel */
	/* The caller accepts nothing but what is installed already: expiry and serials do not
	 * matter, and nothing is learned. */
	bool installed_only;
	bool memory_only; /* read no keys: for changes of the memory; trust_signatures() fails */
	uint64_t now;     /* the clock, seconds since 1970 */
};

struct trust;

struct trust_signature {
	const char *name; /* for messages */
	const char *text;
	size_t len;
};

/* state: an fd of the prefix's state directory, from which trust.json is read; -1: none yet.
 * E_TRUST: there is no key, or fewer than the threshold. E_INVALID: a key, root or state file is
 * damaged. E_USAGE: the pin is no SHA-256. */
MUST_CHECK int trust_open(const struct trust_options *o, int state, struct trust **out,
			  struct err *err);
void trust_close(struct trust *t);
DEFINE_AUTO(trust, struct trust *, NULL, trust_close)

/* Verifies that at least threshold different trusted keys signed exactly these bytes. A document
 * whose name ends in "channel.yaml" needs keys for channels, every other one keys for releases.
 * Signatures by other keys are ignored; a bad one by a known key is an error. E_TRUST: says how
 * many were good, which keys are missing and which key ids the signatures name. E_LIMIT: the
 * document is too long, or has too many signatures. E_INVALID, E_UNSUPPORTED: a signature cannot be
 * parsed. */
MUST_CHECK int trust_signatures(struct trust *t, const char *name, const void *data, size_t len,
				const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* Checks expiry and serial (E_TRUST). name is the series that the serial belongs to: "release", or
 * a channel's name, which must be that of the channel that is followed. Accepted values become part
 * of trust_memory(). */
MUST_CHECK int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
			   uint64_t expires, struct err *err);

/* The source has no channel. E_TRUST: one is remembered, so that somebody may hide newer releases;
 * without_channel or a pin waives this. */
MUST_CHECK int trust_no_channel(struct trust *t, struct err *err);

/* Accepts a new set of root keys, root.json: {"version", "keys", "threshold", "expires"}, or, with
 * roles, {"version", "expires", "roles": {"release": {"keys", "threshold"}, "channel": {...}}}. It
 * must be signed by the threshold of the old keys for releases (the old root may have expired) and
 * of the new ones, and its version must be exactly one higher, or 1 if the old keys have no
 * root.json. It is stored in trust.json and replaces the keys of the directory, and those that were
 * remembered, from then on. */
MUST_CHECK int trust_rotate(struct trust *t, const char *text, size_t len,
			    const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* What a new root.json says. What is not given (NULL, 0) is as in the root that it follows. */
struct trust_root_new {
	const char *after; /* text of that root; NULL: it is the first */
	size_t after_len;
	char *const *keys, *const *channel_keys; /* files; no channel_keys at all: one set */
	unsigned threshold, channel_threshold;
	uint64_t expires;
};
/* The text (heap) of a root.json that is not signed yet; NULL and E_USAGE, E_INVALID. */
char *trust_root_text(const struct trust_root_new *n, struct err *err);

/* The decision, for the record and for --json: keys, signatures, serial, time, waived checks. The
 * caller frees it. */
struct json *trust_report(const struct trust *t);

/* What a run with --key does to the remembered keys. */
enum trust_learning {
	TRUST_LEARNS_NOTHING,
	TRUST_REMEMBERS, /* there were none: these are remembered with the commit */
	TRUST_PASSES,    /* others are remembered: these are for this run only */
};
enum trust_learning trust_learning(const struct trust *t);

/* Adds keys to the remembered ones; an empty list is success. E_STATE: there is a root, whose keys
 * count. */
MUST_CHECK int trust_remember(struct trust *t, char *const *files, enum trust_role role,
			      struct err *err);
/* Forgets the remembered key of that id (16 hex digits). E_NOT_FOUND. E_STATE: the others would be
 * fewer than their threshold. */
MUST_CHECK int trust_forget(struct trust *t, const char *id, struct err *err);
/* Forgets all of them. */
void trust_forget_all(struct trust *t);
/* Some are remembered: a list as "keys" of the report; the caller frees it. */
struct json *trust_remembered(const struct trust *t);

/* Something was accepted that the memory does not have yet. */
bool trust_has_learned(const struct trust *t);
/* Serials, a time or a root are remembered. */
bool trust_has_memory(const struct trust *t);
/* E_INVALID: trust.json in that directory cannot be read. */
MUST_CHECK int trust_check_memory(int state, struct err *err);

/* The new contents of state/trust.json (heap): the caller includes it in its change
 * (deploy_change.trust). */
char *trust_memory(const struct trust *t);
/* The same for the file that outlives, which has no keys: with our entry, or without it, and then
 * NULL if nothing is left. The oldest of many entries are dropped. */
char *trust_kept(const struct trust *t, bool entry);
