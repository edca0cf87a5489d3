// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the steps of building a release. */

#include "base/vec.h"
#include "crypto/sha1.h"
#include "deploy/release/build.h"

/* components.yaml. */
struct part {
	char *name, *text;
	bool required;
	char **patterns; /* strv */
	char *sources;   /* a file of the tree, see origins; NULL: none */
};

struct part_copy {
	char *from, *to;
};

struct parts {
	VEC(struct part) parts;
	VEC(struct part_copy) copies;
	char sha256[65]; /* of the file */
};

void parts_release(struct parts *p);
MUST_CHECK int parts_load(struct parts *p, const char *path, struct err *err);
/* The only part that the path belongs to; NULL, E_INVALID: none, or two. */
const struct part *parts_owner(const struct parts *p, const char *path, struct err *err);

/* One file that went into a component: a source that was compiled, a library that was linked in, or a file
 * that was taken as it was. */
struct origin {
	const char *component; /* of the part */
	char *name, *version, *licence;
	char *package; /* a package URL (purl) */
	char *file;
	char sha256[65];
	bool linked;
};

struct origins {
	VEC(struct origin) rows;
};

void origins_release(struct origins *o);

/* Attributes of a file that are not in the manifest. */
struct source {
	char *path; /* in the release */
	char *from; /* in the tree */
	char sha1[SHA1_HEX + 1];
};

struct build {
	const struct release_build_options *o;
	struct parts parts;
	struct release r;
	VEC(struct source) sources; /* of files, by path */
	struct origins origins;
	int tree, out; /* directories */
	bool begun;    /* what is in out is ours */
};

const struct source *build_source(const struct build *b, const char *path);
/* Fills layout and sources. */
MUST_CHECK int build_scan(struct build *b, struct err *err);
/* Fills components, writes blobs/. */
MUST_CHECK int build_blobs(struct build *b, struct err *err);
/* Fills origins, of the components that there are; these must be sorted. */
MUST_CHECK int build_origins(struct build *b, struct err *err);
/* Fills patches, writes patches/. */
MUST_CHECK int build_patches(struct build *b, struct err *err);
struct json *build_sbom(const struct build *b);
struct json *build_provenance(const struct build *b);

/* Hashes the finished file from and renames it to FOLDER/DIGEST + suffix. */
MUST_CHECK int build_name_by_digest(int dir, const char *from, const char *folder,
				    const char *suffix, char sha256[65], uint64_t *size,
				    struct err *err);

/* Checks the rules of SPDX 2.3 for the members that we write, and that it lists what the release
 * contains. */
MUST_CHECK int sbom_check(const struct release *r, const struct json *j, struct err *err);
/* SPDX's package verification code: the SHA-1 of the concatenated SHA-1s of a package's files,
 * which it sorts. */
void sbom_code(const char **sha1s, size_t n, char code[SHA1_HEX + 1]);

/* issue.c: writes channel.yaml into a directory, after a look whether it can be read again. */
MUST_CHECK int channel_write(int dir, const struct channel *c, struct err *err);
