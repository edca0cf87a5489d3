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
 * What comes over the network or out of a foreign tar is handled in confined children (confine.h):
 * one downloads into the cache directory, one per blob unpacks into staging. A directory is read in
 * place: its blobs are opened by us and handed to the unpacking child as fds.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"
#include "deploy/release/release.h"
#include "http/http.h"

#include <stdbool.h>
#include <stdint.h>

enum { SOURCE_SIGNATURES_MAX = 16 };

struct source_options {
	char *const *releases; /* --release, several: mirrors */
	struct http_options http;
	const char *cache; /* for downloads that are not whole yet, /var/cache/kata-deploy; made
			      0700 when needed, taken away when empty */
	bool keep_cache;   /* whole blobs stay there */
	uid_t uid;         /* of the children; 0: CONFINE_NOBODY */
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
/* NAME.minisig, NAME.1.minisig ... up to the first that is missing: texts, as a strv. */
MUST_CHECK int source_signatures(struct source *s, const char *name, char ***texts,
				 struct err *err);

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
 * Gets those files of layout into the directory staging that has() says are not in the store,
 * each by the cheapest way: a patch where base is in the store (base() opens it), else the blob of
 * its component. Files have passed their digests, but the caller checks them again: they were
 * written by a child. base may be NULL.
 */
MUST_CHECK int source_stage(struct source *s, const struct release *r, const struct layout *layout,
			    bool (*has)(void *arg, const struct entry *e),
			    int (*base)(void *arg, const char *sha256), void *arg, int staging,
			    const struct source_progress *progress, struct source_cost *cost,
			    struct err *err);

/* `kata-deploy fetch --to DIR`: the documents, their signatures and the wanted blobs (all, or those
 * of components), each checked, as a directory that is itself a source. */
MUST_CHECK int source_copy(struct source *s, const struct release *r, char *const *components,
			   int to, const struct source_progress *progress, struct err *err);
