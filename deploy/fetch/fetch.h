// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Where a release comes from, and how its files get into staging.
 *
 *	AUTO(source) struct source *src = NULL;
 *	if (source_open(&(struct source_options){ .release = "https://...", ... }, &src, err) < 0 ||
 *	    source_document(src, "release.yaml", RELEASE_TEXT_MAX, &text, err) < 0 ||
 *	    source_signatures(src, "release.yaml", &sigs, err) < 0)
 *		return -1;
 *	...						// believe it (trust.h), choose a layout
 *	if (source_stage(src, &release, &layout, has, arg, staging, &progress, err) < 0)
 *		return -1;
 *
 * A source is one of
 *	https://HOST/PATH/, http://...	also a list of mirrors of the same release
 *	file:///PATH, /PATH, PATH	a directory; or a file: a tar of one
 *	-				such a tar on standard input
 * What comes over the network or out of an archive is handled in confined children (confine.h):
 * one downloads into files of the cache directory that we opened, one per component unpacks into
 * staging, which is given to their user meanwhile. An archive is spread into the cache first. A
 * directory is read in place: its blobs are opened by us. docs/design/fetch.md says who may do
 * what.
 *
 * Not for programs with threads, see confine.h. SIGINT and SIGTERM end what runs: E_CANCELLED.
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
	/* For downloads that are not whole yet, SOURCE_CACHE; made 0700 when needed,
	 * taken away when empty. After a failure it keeps what there is, for the next run. */
	const char *cache;
	bool keep_cache; /* whole blobs stay there */
	uid_t uid;       /* of the children; 0: CONFINE_NOBODY */
	gid_t gid;
};

struct source;

MUST_CHECK int source_open(const struct source_options *o, struct source **out, struct err *err);
void source_close(struct source *s);
DEFINE_AUTO(source, struct source *, NULL, source_close)

/* From here on names are relative to that directory of the source: clean, never upwards. */
MUST_CHECK int source_enter(struct source *s, const char *path, struct err *err);

/* A signed document by its name, at most limit bytes. E_NOT_FOUND. */
MUST_CHECK int source_document(struct source *s, const char *name, size_t limit, struct buf *to,
			       struct err *err);
/* NAME.minisig, NAME.1.minisig ... up to the first that is missing: texts, as a strv. Documents and
 * signatures are fetched once: the same call gives the same bytes. */
MUST_CHECK int source_signatures(struct source *s, const char *name, char ***texts,
				 struct err *err);

/* The documents are not to be believed, or are too old: forgets them and the mirror that is asked
 * first, so that another one's can be looked at. false: there is no other, and nothing changed. */
bool source_distrust(struct source *s);

struct source_progress {
	/* phase: "fetch", "unpack"; total 0: not known. */
	void (*at)(void *arg, const char *phase, uint64_t done, uint64_t total);
	void *arg;
};

/* What it took, for --timings and --json. */
struct source_cost {
	uint64_t received; /* bytes over the network */
	uint64_t unpacked; /* bytes written to staging */
	unsigned blobs, patches;
};

/*
 * Gets those files of layout into the empty directory staging that has() says are not in the store,
 * each by the cheapest way: a patch where base is in the store (base() opens it for reading, -1: it
 * is not), else the blob of its component; also where patches turn out not to do. Blobs have passed
 * their digests. The files belong to the children's user and were written by a child: the caller
 * hashes them and takes them over (deploy_lay_down does). base may be NULL, progress too. has and
 * base are asked once per file. E_INVALID, E_LIMIT, E_GONE: what came is not what the release
 * lists; else as http_fetch.
 */
MUST_CHECK int source_stage(struct source *s, const struct release *r, const struct layout *layout,
			    bool (*has)(void *arg, const struct entry *e),
			    int (*base)(void *arg, const char *sha256), void *arg, int staging,
			    const struct source_progress *progress, struct source_cost *cost,
			    struct err *err);

/* `kata-deploy fetch --to DIR`: the documents, their signatures, the wanted blobs (all, or those of
 * components and the required ones) and the patches, each checked, as a directory that is itself a
 * source. What is there already and right is not fetched again; release.yaml comes last. */
MUST_CHECK int source_copy(struct source *s, const struct release *r, char *const *components,
			   int to, const struct source_progress *progress, struct err *err);
