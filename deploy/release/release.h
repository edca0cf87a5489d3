// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Parses and formats release.yaml, which describes the contents of a release, and channel.yaml,
 * which names the newest release of a channel. docs/design/release.md describes every member; the
 * limits are below.
 *
 *	AUTO(release) struct release r = RELEASE_INIT;
 *	if (release_parse(&r, text, len, "release.yaml", err) < 0)	// after its signatures
 *		return -1;
 *	AUTO(layout) struct layout l = LAYOUT_INIT;
 *	if (release_select(&r, components, without, &l, err) < 0)
 *		return -1;
 *
 * A signature proves who wrote the text, not that it is valid: the parsers limit and check
 * everything. Unknown members are errors; a newer schema is E_UNSUPPORTED, and the message names
 * the kata-deploy that reads it.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "deploy/store/layout.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RELEASE_SCHEMA = 1,
	RELEASE_TEXT_MAX = 16 << 20,
	RELEASE_FILES_MAX = 100000,
	RELEASE_COMPONENTS_MAX = 256,
	RELEASE_PATCHES_MAX = 100000,
	CHANNEL_TEXT_MAX = 64 << 10,
};
#define RELEASE_MINIMUM      "0.1.0" /* the first kata-deploy that reads this schema */
#define RELEASE_SBOM         "sbom.spdx.json"
#define RELEASE_PROVENANCE   "provenance.intoto.json"
#define RELEASE_BLOB_MAX     (UINT64_C(16) << 30) /* compressed */
#define RELEASE_UNPACKED_MAX (UINT64_C(64) << 30)

/* A component; its blob blobs/<sha256>.tar.zst has its files as a tar archive. */
struct release_component {
	char *name;
	char *text;        /* description, one line */
	bool required;     /* --without may not name it */
	char blob[65];     /* SHA-256 of the blob */
	uint64_t size;     /* of the blob, bytes */
	uint64_t unpacked; /* of its files together, bytes */
};

/* patches/<sha256>.zst makes the file target out of the file base (zstd --patch-from). All three
 * are SHA-256 digests. */
struct release_patch {
	char base[65], target[65], sha256[65];
	uint64_t size; /* of the patch, bytes */
};

struct release {
	char *version;
	char *architecture;        /* as uname -m prints it */
	uint64_t serial;           /* higher than that of every earlier release */
	uint64_t created, expires; /* seconds since 1970 */
	char *minimum;             /* the oldest kata-deploy that may install it */
	/* Versions that the proof (deploy/prove) must find in the guest; NULL: any. */
	char *guest_kernel, *agent;
	/* SHA-256 of RELEASE_SBOM and RELEASE_PROVENANCE in the same directory; "": no such
	 * file. */
	char sbom[65], provenance[65];
	VEC(struct release_component) components; /* sorted by name */
	struct layout layout;                     /* sealed: all files of all components */
	VEC(struct release_patch) patches;        /* sorted by target, then by base */
};

#define RELEASE_INIT                                                               \
	{                                                                          \
		.components = VEC_INIT, .layout = LAYOUT_INIT, .patches = VEC_INIT \
	}

void release_release(struct release *r);
DEFINE_AUTO_STRUCT(release, struct release, release_release)

/* Parses release.yaml into an empty r, which the caller releases even after an error. name is for
 * messages. E_INVALID, E_LIMIT; E_UNSUPPORTED: a newer kata-deploy is needed. */
MUST_CHECK int release_parse(struct release *r, const char *text, size_t len, const char *name,
			     struct err *err);
/* Appends the text of release.yaml: the bytes that are signed. */
MUST_CHECK int release_format(const struct release *r, struct buf *to, struct err *err);

/* Returns the component with that name, borrowed, or NULL. */
const struct release_component *release_component(const struct release *r, const char *name);

/* Returns the patch that makes target out of base (digests), borrowed, or NULL. */
const struct release_patch *release_patch(const struct release *r, const char *base,
					  const char *target);

/* Makes a sealed layout of the selected components: those named (NULL or empty: all) and the
 * required ones, except those in without. E_NOT_FOUND: an unknown name; the hint suggests a similar
 * one. E_USAGE: a required one is in without. */
MUST_CHECK int release_select(const struct release *r, char *const *components,
			      char *const *without, struct layout *out, struct err *err);

/* channel.yaml: signed like a release, but expires soon. */
struct channel {
	char *name;
	uint64_t serial, created, expires;
	char *version; /* of the newest release */
	char *path; /* its directory, relative to the channel's: "." or a clean path without ".." */
	char release[65]; /* SHA-256 of its release.yaml */
};

void channel_release(struct channel *c);
DEFINE_AUTO_STRUCT(channel, struct channel, channel_release)
/* As release_parse() and release_format(), for channel.yaml. */
MUST_CHECK int channel_parse(struct channel *c, const char *text, size_t len, const char *name,
			     struct err *err);
MUST_CHECK int channel_format(const struct channel *c, struct buf *to, struct err *err);

/* Returns the file name of a document's signature, heap: "NAME.minisig" for 0, "NAME.1.minisig" for
 * 1, ... A document has at most TRUST_SIGNATURES_MAX, numbered without gaps. */
char *release_signature_name(const char *document, unsigned n);

/* Returns a number below, equal to or above 0: a is older than b, the same, newer. "3.9.1" is older
 * than "3.10.0", the pre-release "3.10.0-rc1" is older than "3.10.0". */
int version_compare(const char *a, const char *b);
