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
	const char *out;        /* is created; must be missing or empty */
	const char *components; /* YAML: the component of each file, see below */
	const char *version;
	const char *architecture; /* NULL: this machine's */
	uint64_t serial;  /* above those of old; 0: created, or the lowest one above those of old */
	uint64_t created; /* 0: SOURCE_DATE_EPOCH, which must be set then */
	uint64_t expires; /* 0: a year after created */
	const char *minimum, *guest_kernel, *agent; /* may be NULL */
	char *const *old;         /* release directories to make patches from; strv, may be NULL */
	const char *channel;      /* its name; NULL: stable */
	uint64_t channel_expires; /* 0: a month after created */
	const char *source, *commit,
		*builder; /* for the provenance: URI, git commit, URI; NULL: omitted */
	unsigned level;   /* of zstd; 0: 19 */
};

/*
 * components.yaml:
 *
 *	components:
 *	  - name: guest
 *	    text: kernel and initrd of the guest
 *	    required: true			# absent: false
 *	    paths: [share/kata-containers]	# shell patterns; "*" stops at "/"; of files, or of
 *						# directories with all that is below
 *	    sources: share/guest/sources.yaml	# what it was made from; may be absent
 *	copies:					# files that are shipped under another name too
 *	  - from: share/defaults/kata-containers/configuration.toml
 *	    to: etc/configuration.toml
 *
 * sources names a file of the tree, which the component's build has left there. It is in the SBOM and in the
 * provenance:
 *
 *	sources:
 *	  - name: qemu
 *	    version: 7.2+dfsg-7
 *	    licence: GPL-2.0-only		# as SPDX writes it
 *	    package: pkg:deb/debian/qemu@7.2+dfsg-7?arch=source
 *	    file: qemu_7.2+dfsg.orig.tar.xz	# a row for each file
 *	    sha256: 91aca715...
 *	    linked: false			# true: an archive that was linked in
 *
 * Every file must belong to exactly one component, else E_INVALID names the file. A component
 * without files is omitted; if it is required: E_INVALID. E_EXISTS: out is not empty. E_USAGE: the serial is
 * not above those of the old releases. If it fails, out is removed.
 */
MUST_CHECK int release_build(const struct release_build_options *o, struct err *err);

/* Signs release.yaml, and channel.yaml if there is one. Replaces an older signature by this key,
 * keeps those by other keys. E_LIMIT: too many signatures. */
MUST_CHECK int release_sign(const char *dir, const struct minisig_secret *secret,
			    const char *comment, struct err *err);

/* The same for one document, DIR/NAME. */
MUST_CHECK int release_sign_document(const char *dir, const char *name,
				     const struct minisig_secret *secret, const char *comment,
				     struct err *err);

/*
 * Writes channel.yaml anew: so that it does not expire, or to name another release. Its old
 * signatures are removed.
 */
struct release_channel_options {
	const char *dir;
	const char *path; /* of the release below dir; NULL: dir itself */
	const char *name; /* NULL: as it was, or stable */
	uint64_t serial;  /* 0: one more than it was, or that of the release */
	uint64_t created; /* seconds since 1970 */
	uint64_t expires; /* 0: 30 days after created */
};
/* out: what was written; the caller releases it. */
MUST_CHECK int release_channel(const struct release_channel_options *o, struct channel *out,
			       struct err *err);

/* Compares every byte with release.yaml, and checks the bill of materials against SPDX's rules.
 * trust: checks signatures, expiry and serials too; NULL: does not. E_INVALID, E_TRUST: the first
 * error found. */
MUST_CHECK int release_check(const char *dir, struct trust *trust, struct err *err);

/* Read DIR/release.yaml, DIR/channel.yaml without verifying signatures. */
MUST_CHECK int release_load(const char *dir, struct release *r, struct err *err);
MUST_CHECK int channel_load(const char *dir, struct channel *c, struct err *err);

/* The differences between two releases, in the form that docs/design/release.md describes. The
 * caller frees it. */
struct json *release_diff(const struct release *from, const struct release *to);
void release_diff_print(const struct json *diff, FILE *to);
