// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Verifies signed documents: one set of checks, in one order, whatever the transport:
 *
 *	length cap → k of n signatures → expiry → serial not lower than the last one seen
 *
 * No document is parsed before its signatures are verified. The decision, and which checks were
 * waived, is recorded in state/trust.json together with the state that later runs need: the highest
 * serial per channel, the latest time seen, the root keys.
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
 * Trusted keys are those of --key; else those of the root in trust.json or of the directory's
 * root.json, whichever has the higher version; else the directory's *.pub; else those built in
 * (make TRUSTED_KEYS="FILE ..."). Only the first of these that exists is used; they are never
 * combined.
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

enum { TRUST_SIGNATURES_MAX = 16, TRUST_KEYS_MAX = 32 };

struct trust_options {
	char *const *keys;     /* --key FILE; if there is one, nothing else is trusted */
	unsigned threshold;    /* --threshold K; 0: 1, or what the root says */
	const char *directory; /* such as TRUST_DIRECTORY: *.pub, and root.json if any */
	/* --pin SHA256 of release.yaml: must match as well; waives expiry. It is compared with
	 * documents whose name ends in "release.yaml". */
	const char *pin;
	bool allow_downgrade, allow_expired;
	uint64_t now; /* the clock, seconds since 1970 */
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

/* Verifies that at least threshold different trusted keys signed exactly these bytes. Signatures by
 * unknown keys are ignored; a bad one by a known key is an error. E_TRUST: the message says how
 * many were good, which keys are missing and which key ids the signatures name. E_LIMIT: the
 * document is too long, or has too many signatures. E_INVALID, E_UNSUPPORTED: a signature cannot be
 * parsed. */
MUST_CHECK int trust_signatures(struct trust *t, const char *name, const void *data, size_t len,
				const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* Checks expiry and serial (E_TRUST). name is the series that the serial belongs to: "release", or
 * a channel's name. Accepted values become part of trust_memory(). */
MUST_CHECK int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
			   uint64_t expires, struct err *err);

/* Accepts a new set of root keys, root.json: {"version", "keys", "threshold", "expires"}. It must
 * be signed by the threshold of the old set (which may have expired) and of the new one, and its
 * version must be exactly one higher, or 1 if the old keys have no root.json. It is stored in
 * trust.json and replaces the keys of the directory from then on. */
MUST_CHECK int trust_rotate(struct trust *t, const char *text, size_t len,
			    const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* The decision, for the record and for --json: keys, signatures, serial, time, waived checks. The
 * caller frees it. */
struct json *trust_report(const struct trust *t);

/* E_INVALID: trust.json in that directory cannot be read. */
MUST_CHECK int trust_check_memory(int state, struct err *err);

/* The new contents of state/trust.json (heap): the caller includes it in its change
 * (deploy_change.trust). */
char *trust_memory(const struct trust *t);
