// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What the steps of building a release share; build.c has their order. */

#include "base/vec.h"
#include "crypto/sha1.h"
#include "deploy/release/build.h"

/* A component as components.yaml describes it. */
struct part {
	char *name, *text;
	bool required;
	char **patterns; /* strv */
	char *sources;   /* path in the tree of the file with its origins; NULL: none */
};

struct part_copy {
	char *from, *to;
};

struct parts {
	VEC(struct part) parts;
	VEC(struct part_copy) copies;
	char sha256[65]; /* of components.yaml */
};

void parts_release(struct parts *p);
MUST_CHECK int parts_load(struct parts *p, const char *path, struct err *err);
/* Returns the part that path belongs to, borrowed; NULL with E_INVALID if that is none, or two. */
const struct part *parts_owner(const struct parts *p, const char *path, struct err *err);

/* One file that went into a component: a source that was compiled, a library that was linked in, or
 * a file that was copied. */
struct origin {
	const char *component; /* its name, borrowed from the part */
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

/* Attributes of a file that release.yaml does not have. */
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
	int tree, out; /* fds of the directories; -1: not open */
	bool begun;    /* out was empty: remove it if the build fails */
};

/* Returns the source of a file of the release, borrowed. */
const struct source *build_source(const struct build *b, const char *path);
/* Fills r.layout and sources. */
MUST_CHECK int build_scan(struct build *b, struct err *err);
/* Fills r.components, writes blobs/. */
MUST_CHECK int build_blobs(struct build *b, struct err *err);
/* Fills origins for the components of r, which must be sorted. */
MUST_CHECK int build_origins(struct build *b, struct err *err);
/* Fills r.patches, writes patches/. */
MUST_CHECK int build_patches(struct build *b, struct err *err);
/* Return the two documents; the caller frees them. */
struct json *build_sbom(const struct build *b);
struct json *build_provenance(const struct build *b);

/* Hashes the finished file from and renames it to FOLDER/SHA256SUFFIX. */
MUST_CHECK int build_name_by_digest(int dir, const char *from, const char *folder,
				    const char *suffix, char sha256[65], uint64_t *size,
				    struct err *err);

/* Checks an SBOM by the rules of SPDX 2.3, for the members that build_sbom() writes, and that it
 * lists exactly the components and files of the release. */
MUST_CHECK int sbom_check(const struct release *r, const struct json *j, struct err *err);
/* Computes SPDX's package verification code: the SHA-1 of the concatenated SHA-1s of a package's
 * files, in sorted order. Sorts sha1s. */
void sbom_code(const char **sha1s, size_t n, char code[SHA1_HEX + 1]);

/* Writes channel.yaml into a directory, after checking that channel_parse() accepts it. */
MUST_CHECK int channel_write(int dir, const struct channel *c, struct err *err);
