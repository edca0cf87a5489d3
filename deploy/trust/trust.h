// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * May this document be believed? One decision, in one order, whatever the transport:
 *
 *	length cap → k of n signatures → expiry → serial not lower than the last one seen
 *
 * and only then is the text parsed any further. What was decided, and which rules were waived, is
 * recorded in state/trust.json together with what must not be forgotten: the highest serial per
 * channel, the latest time seen, the root keys.
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
 * Keys are those of --key; else those of the root in trust.json or of the directory's root.json, of
 * which the one with the higher version counts; else the directory's *.pub; else those built in
 * (make TRUSTED_KEYS="FILE ..."). The first that there is decides, nothing is added up.
 *
 * Time is the latest of: the clock, the last time seen, and the time of the build; so a clock at
 * 1970 or one that was set back lets nothing old through, and a clock in the far future moves the
 * memory by at most what a valid signature says (created of a release that was accepted).
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
	const char *directory; /* TRUST_DIRECTORY: *.pub, and root.json if there is one */
	/* --pin SHA256 of release.yaml: must match as well; waives expiry. A document is held
	 * against it if its name ends in "release.yaml". */
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

/* state: an fd of the prefix's state directory, or -1 if there is none yet: trust.json is read.
 * E_TRUST: there is no key, or fewer than the threshold. E_INVALID: a key, root or state file is
 * damaged. E_USAGE: the pin is no SHA-256. */
MUST_CHECK int trust_open(const struct trust_options *o, int state, struct trust **out,
			  struct err *err);
void trust_close(struct trust *t);
DEFINE_AUTO(trust, struct trust *, NULL, trust_close)

/* At least threshold different trusted keys signed exactly these bytes. Signatures by unknown keys
 * are passed over, a bad one by a known key is an error. The error says how many were good, whose
 * keys are missing and which key ids the signatures name. Caps the length: E_LIMIT. A signature
 * that cannot be read: E_INVALID, E_UNSUPPORTED. */
MUST_CHECK int trust_signatures(struct trust *t, const char *name, const void *data, size_t len,
				const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* Expiry and serial. name is what the serial counts in: "release", or a channel's name. What is
 * accepted is remembered by trust_memory. */
MUST_CHECK int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
			   uint64_t expires, struct err *err);

/* A new set of root keys, root.json: {"version", "keys", "threshold", "expires"}, signed by the
 * threshold of the old set (which may have expired) and of the new one, version exactly one higher:
 * 1 if the old set is no root. It replaces the keys of the directory from then on; kept in
 * trust.json. */
MUST_CHECK int trust_rotate(struct trust *t, const char *text, size_t len,
			    const struct trust_signature *sigs, size_t nsigs, struct err *err);

/* What was decided, for the record and for --json: keys, signatures, serial, time, waived rules. */
struct json *trust_report(const struct trust *t);

/* The new contents of state/trust.json (heap): the caller makes it part of its change, so that it
 * is as atomic as the rest. */
char *trust_memory(const struct trust *t);
