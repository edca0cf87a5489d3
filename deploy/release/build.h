// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The packager's side: a release directory out of an install tree, its signatures, and questions
 * about it. docs/design/release.md says what lies in it.
 *
 *	struct release_build_options o = { .tree = "/tmp/t/opt/kata", .out = "out",
 *		.components = "packaging/components.yaml", .version = "3.10.0", .serial = 7, ... };
 *	if (release_build(&o, err) < 0 || release_sign("out", &secret, "kata 3.10.0", err) < 0 ||
 *	    release_check("out", trust, err) < 0)
 *		return -1;
 *
 * The same tree and options give the same bytes: whoever builds, wherever, whenever, with whatever
 * umask; given the same libzstd and libarchive. Of the tree count names, contents, links, and
 * whether the owner may execute a file.
 */

#include "base/err.h"
#include "crypto/minisig.h"
#include "deploy/release/release.h"
#include "deploy/trust/trust.h"
#include "json/json.h"

#include <stdint.h>
#include <stdio.h>

struct release_build_options {
	const char *tree;       /* what lies below the prefix: bin/, share/ ... */
	const char *out;        /* made; must not be there, or be empty */
	const char *components; /* YAML: who owns which files, see below */
	const char *version;
	const char *architecture; /* NULL: of this machine */
	uint64_t serial;
	uint64_t created; /* 0: SOURCE_DATE_EPOCH, which must be set then */
	uint64_t expires; /* 0: a year after created */
	const char *minimum, *guest_kernel, *agent; /* may be NULL */
	char *const *old;         /* release directories to make patches from; strv, may be NULL */
	const char *channel;      /* its name; NULL: stable */
	uint64_t channel_expires; /* 0: a month after created */
	const char *source, *commit,
		*builder; /* for the provenance: URI, git commit, URI; or NULL */
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
 *	copies:					# files that are shipped under another name too
 *	  - from: share/defaults/kata-containers/configuration.toml
 *	    to: etc/configuration.toml
 *
 * Every file belongs to exactly one component: E_INVALID names one that does not. A component
 * without files is left out, unless it is required.
 */
MUST_CHECK int release_build(const struct release_build_options *o, struct err *err);

/* Signs release.yaml, and channel.yaml if it is there: in place of an older signature of this key,
 * or beside those of other keys. */
MUST_CHECK int release_sign(const char *dir, const struct minisig_secret *secret,
			    const char *comment, struct err *err);

/* Reads every byte and holds it against release.yaml; holds the bill of materials to SPDX's rules.
 * trust: signatures, expiry and serials too; NULL: not. E_INVALID, E_TRUST: the first thing that is
 * wrong. */
MUST_CHECK int release_check(const char *dir, struct trust *trust, struct err *err);

/* Reads DIR/release.yaml; believes it. */
MUST_CHECK int release_load(const char *dir, struct release *r, struct err *err);

/* What changes from one to the other; docs/design/release.md says how. */
struct json *release_diff(const struct release *from, const struct release *to);
void release_diff_print(const struct json *diff, FILE *to);
