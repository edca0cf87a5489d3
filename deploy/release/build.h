// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The packager's side: builds a release directory from an install tree, signs, checks and compares
 * it. docs/design/release.md describes its contents.
 *
 *	struct release_build_options o = { .tree = "/tmp/t/opt/kata", .out = "out",
 *		.components = "packaging/components.yaml", .version = "3.10.0", .serial = 7, ... };
 *	if (release_build(&o, err) < 0 || release_sign("out", &secret, "kata 3.10.0", err) < 0 ||
 *	    release_check("out", trust, err) < 0)
 *		return -1;
 *
 * Builds are reproducible: the same tree, options, libzstd and libarchive give the same bytes,
 * independent of user, host, time and umask. Of the tree only names, contents, links, and whether
 * the owner may execute a file are used.
 */

#include "base/err.h"
#include "crypto/minisig.h"
#include "deploy/release/release.h"
#include "deploy/trust/trust.h"
#include "json/json.h"

#include <stdint.h>
#include <stdio.h>

struct release_build_options {
	const char *tree;       /* the files below the prefix: bin/, share/ ... */
	const char *out;        /* directory to create; must be missing or empty */
	const char *components; /* components.yaml: the component of each file, see below */
	const char *version;
	const char *architecture; /* NULL: this machine's */
	/* Higher than the serials of old. 0: created, or if that is not higher, the next number. */
	uint64_t serial;
	uint64_t created;    /* seconds since 1970; 0: SOURCE_DATE_EPOCH, which must be set then */
	uint64_t expires;    /* 0: a year after created */
	const char *minimum; /* NULL: RELEASE_MINIMUM */
	const char *guest_kernel, *agent; /* see struct release; may be NULL */
	char *const *old;         /* release directories to make patches from; strv, or NULL */
	const char *channel;      /* name of the channel; NULL: stable */
	uint64_t channel_expires; /* 0: 30 days after created */
	/* For the provenance: URI of the source, git commit, URI of the builder. NULL: omitted. */
	const char *source, *commit, *builder;
	unsigned level; /* of zstd; 0: 19 */
};

/*
 * components.yaml:
 *
 *	components:
 *	  - name: guest
 *	    text: kernel and initrd of the guest
 *	    required: true			# absent: false
 *	    paths: [share/kata-containers]	# shell patterns for files, and for directories
 *						# with everything below; "*" does not match "/"
 *	    sources: share/guest/sources.yaml	# its sources, see below; may be absent
 *	copies:					# files that are shipped under another name too
 *	  - from: share/defaults/kata-containers/configuration.toml
 *	    to: etc/configuration.toml
 *
 * sources names a file that the component's build has left in the tree. Its rows go into the SBOM
 * and the provenance:
 *
 *	sources:
 *	  - name: qemu
 *	    version: 7.2+dfsg-7
 *	    licence: GPL-2.0-only		# as SPDX writes it
 *	    package: pkg:deb/debian/qemu@7.2+dfsg-7?arch=source
 *	    file: qemu_7.2+dfsg.orig.tar.xz	# a row for each file
 *	    sha256: 91aca715...
 *	    linked: false			# true: the source package of a library that was linked in
 *
 * Every file must belong to exactly one component, else the error is E_INVALID and names the file.
 * A component without files is omitted, unless it is required: E_INVALID. E_EXISTS: out is not
 * empty. E_USAGE: the serial is not higher than those of the old releases. If the build fails, out
 * is removed.
 */
MUST_CHECK int release_build(const struct release_build_options *o, struct err *err);

/* Signs release.yaml, and channel.yaml if it exists. Replaces an older signature by this key, keeps
 * those by other keys. comment becomes the trusted comment of the signature. E_LIMIT: too many
 * signatures. */
MUST_CHECK int release_sign(const char *dir, const struct minisig_secret *secret,
			    const char *comment, struct err *err);

/* The same for one document, DIR/NAME. */
MUST_CHECK int release_sign_document(const char *dir, const char *name,
				     const struct minisig_secret *secret, const char *comment,
				     struct err *err);

/* Issues channel.yaml again, to extend its validity or to name another release. */
struct release_channel_options {
	const char *dir;  /* of channel.yaml, which may exist or not */
	const char *path; /* of the release below dir; NULL: dir itself */
	const char *name; /* NULL: that of the old channel.yaml, or stable */
	uint64_t serial;  /* 0: the next after the old channel.yaml's, or that of the release */
	uint64_t created; /* seconds since 1970 */
	uint64_t expires; /* 0: 30 days after created */
};
/* Writes channel.yaml and removes the signatures of the old one. Fills out, which is empty before,
 * with the new contents; the caller releases it even after an error. E_USAGE: expires is not later
 * than created. */
MUST_CHECK int release_channel(const struct release_channel_options *o, struct channel *out,
			       struct err *err);

/* Compares every byte of a release with its release.yaml, and checks the SBOM against SPDX's rules.
 * With trust it also verifies signatures, expiry and serials; trust may be NULL. E_INVALID,
 * E_TRUST: the first error found. */
MUST_CHECK int release_check(const char *dir, struct trust *trust, struct err *err);

/* Read DIR/release.yaml and DIR/channel.yaml without verifying signatures, as release_parse(). */
MUST_CHECK int release_load(const char *dir, struct release *r, struct err *err);
MUST_CHECK int channel_load(const char *dir, struct channel *c, struct err *err);

/* Returns the differences between two releases as docs/design/release.md describes them; the caller
 * frees the JSON. */
struct json *release_diff(const struct release *from, const struct release *to);
/* Prints them as text. */
void release_diff_print(const struct json *diff, FILE *to);
