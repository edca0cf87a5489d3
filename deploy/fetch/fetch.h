// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads a release from its source and brings its files into staging.
 *
 *	AUTO(source) struct source *src = NULL;
 *	if (source_open(&(struct source_options){ .release = "https://...", ... }, &src, err) < 0 ||
 *	    source_document(src, "release.yaml", RELEASE_TEXT_MAX, &text, err) < 0 ||
 *	    source_signatures(src, "release.yaml", &sigs, err) < 0)
 *		return -1;
 *	...						// verify it (trust.h), select a layout
 *	if (source_stage(src, &release, &layout, has, arg, staging, &progress, err) < 0)
 *		return -1;
 *
 * A source is one of
 *	https://HOST/PATH/, http://...	also a list of mirrors of the same release
 *	file:///PATH, /PATH, PATH	a directory; or a file: a tar of one
 *	-				such a tar on standard input
 * Data from the network or from an archive is handled in confined children (confine.h): one
 * downloads into files of the cache directory that we opened, one per component unpacks into
 * staging, which their user owns during that time. An archive is unpacked into the cache first. A
 * directory is read in place: its blobs are opened by us. docs/design/fetch.md describes the
 * privileges of each.
 *
 * Not for programs with threads, see confine.h. A signal cancels it (base/interrupt.h):
 * E_CANCELLED.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"
#include "deploy/release/release.h"
#include "http/http.h"

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_CACHE "/var/cache/kata-deploy"

enum { SOURCE_SIGNATURES_MAX = 16 };

struct source_options {
	char *const *releases; /* --release, several: mirrors */
	struct http_options http;
	/* Directory for partial downloads; NULL: SOURCE_CACHE. Created with mode 0700 when needed,
	 * removed when empty. After a failure it keeps the downloads, so that the next run resumes
	 * them. */
	const char *cache;
	bool keep_cache;      /* keep complete blobs there too */
	unsigned patience_ms; /* how long a mirror may be silent before the next is asked; 0: 700 */
	uid_t uid;            /* of the children; 0: CONFINE_NOBODY */
	gid_t gid;
};

struct source;

MUST_CHECK int source_open(const struct source_options *o, struct source **out, struct err *err);
void source_close(struct source *s);
DEFINE_AUTO(source, struct source *, NULL, source_close)

/* From here on names are relative to that subdirectory of the source. path must be clean and
 * without "..". */
MUST_CHECK int source_enter(struct source *s, const char *path, struct err *err);

/* Reads a document, at most limit bytes. All documents come from one mirror: the first, in the order
 * given, that answers; those before it are set aside for this run, with a warning. E_NOT_FOUND: the
 * source has none. E_LIMIT. */
MUST_CHECK int source_document(struct source *s, const char *name, size_t limit, struct buf *to,
			       struct err *err);
/* Reads NAME.minisig, NAME.1.minisig ... up to the first that is missing; *texts is a strv.
 * Documents and signatures are fetched once: repeated calls give the same bytes. */
MUST_CHECK int source_signatures(struct source *s, const char *name, char ***texts,
				 struct err *err);

/* For documents that are missing, cannot be read or parsed, failed verification or are too old, for
 * which err is the reason. True: their mirror is set aside for this run (with a warning), err is
 * cleared, and documents are read from the start from the next mirror. False: there is no other, or
 * it is no mirror's fault; err has the reasons of all mirrors. */
bool source_distrust(struct source *s, struct err *err);

struct source_progress {
	/* phase: "fetch", "unpack"; total 0: not known. */
	void (*at)(void *arg, const char *phase, uint64_t done, uint64_t total);
	void *arg;
};

/* Amount of work done, for --timings and --json. */
struct source_cost {
	uint64_t received; /* bytes over the network */
	uint64_t unpacked; /* bytes written to staging */
	unsigned blobs, patches;
};

/*
 * Writes the files of layout for which has() returns false into the empty directory staging, each
 * in the cheapest way: by a patch if its base is in the store (base() returns an fd of it, -1: it
 * is not), else from the blob of its component; also when a patch fails. The digests of blobs are
 * verified, those of files are not: files are written and owned by the children's user, and the
 * caller must verify and chown them (deploy_lay_down does). base and progress may be NULL. has and
 * base are called once per file. E_INVALID, E_LIMIT, E_GONE: the data is not what the release
 * lists; else as http_fetch().
 */
MUST_CHECK int source_stage(struct source *s, const struct release *r, const struct layout *layout,
			    bool (*has)(void *arg, const struct entry *e),
			    int (*base)(void *arg, const char *sha256), void *arg, int staging,
			    const struct source_progress *progress, struct source_cost *cost,
			    struct err *err);

/* `kata-deploy fetch --to DIR`: writes the documents, their signatures, the blobs (all, or those of
 * components and the required ones) and the patches, each verified, to a directory that is itself a
 * source. Of an older copy in that directory nothing is left, and what is there already and correct
 * is not fetched again. A directory with a release.yaml is complete, whenever this is interrupted.
 * *changed: false if the directory was that copy before. */
MUST_CHECK int source_copy(struct source *s, const struct release *r, char *const *components,
			   int to, const struct source_progress *progress, bool *changed,
			   struct err *err);
