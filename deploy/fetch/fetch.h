// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Reads a release from its source and brings its files into staging.
 *
 *	AUTO(source) struct source *src = NULL;
 *	if (source_open(&(struct source_options){ .releases = releases, ... }, &src, err) < 0 ||
 *	    source_document(src, "release.yaml", RELEASE_TEXT_MAX, &text, err) < 0 ||
 *	    source_signatures(src, "release.yaml", &sigs, err) < 0)
 *		return -1;
 *	...						// verify it (trust.h), select a layout
 *	return source_stage(src, &release, &layout, has, base, arg, staging, &progress, &cost, err);
 *
 * A source is one of
 *	https://HOST/PATH/, http://...	also a list of mirrors of the same release
 *	file:///PATH, /PATH, PATH	a directory; or a file: a tar of one
 *	-				such a tar on standard input
 * Confined children (confine.h) process all data from the network or from an archive. One child
 * downloads into files of the cache directory that the parent opened; one child for each component
 * unpacks into staging, which the children's user owns during that time. A tar is first unpacked
 * into the cache. A directory is read in place: the parent opens its blobs. docs/design/fetch.md
 * describes the privileges of each child.
 *
 * Not for programs with threads, see confine.h. A signal cancels every function that waits
 * (base/interrupt.h): E_CANCELLED.
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
	char *const *releases; /* --release, strv; several: mirrors of one release */
	struct http_options http;
	/* Directory for partial downloads; NULL: SOURCE_CACHE. It is created with mode 0700 when it
	 * is needed, and removed when it is empty. After a failure it keeps the downloads, so that
	 * the next run resumes them, unless it is of another release. */
	const char *cache;
	/* Keep complete downloads there after success too, and those of other releases. */
	bool keep_cache;
	unsigned patience_ms; /* try the next mirror after so long without an answer; 0: 700 */
	uid_t uid;            /* of the children, if the caller is root; 0: CONFINE_NOBODY */
	gid_t gid;
};

struct source;

/* Opens a source: a directory, or the spooled tar; mirrors are not contacted yet. *out is closed
 * with source_close(); what the options point to must stay valid until then. E_USAGE: no release is
 * given, or it is of no supported kind. */
MUST_CHECK int source_open(const struct source_options *o, struct source **out, struct err *err);
void source_close(struct source *s);
DEFINE_AUTO(source, struct source *, NULL, source_close)

/* Makes all later names relative to a subdirectory of the source. path must be clean and without
 * "..". */
MUST_CHECK int source_enter(struct source *s, const char *path, struct err *err);

/* Reads a document of at most limit bytes into to. All documents come from one mirror: the first,
 * in the order given, that answers; mirrors before it are not used in this run, with a warning.
 * E_NOT_FOUND: the source does not have the document. E_LIMIT: it is longer. */
MUST_CHECK int source_document(struct source *s, const char *name, size_t limit, struct buf *to,
			       struct err *err);
/* Reads NAME.minisig, NAME.1.minisig ... up to the first that is missing; *texts is a strv that the
 * caller frees. Documents and signatures are fetched once: repeated calls return the same bytes. */
MUST_CHECK int source_signatures(struct source *s, const char *name, char ***texts,
				 struct err *err);

/*
 * To call when the documents of the current mirror are missing, cannot be parsed, fail verification
 * or are too old; err is that error. Returns true if another mirror is left: the current one is not
 * used any more in this run (with a warning), err is cleared, and the caller reads all documents
 * again. Another mirror is also one that was only slower than this one. Returns false if no other
 * mirror is left, or if a mirror cannot be the cause; err then has the errors of all mirrors.
 */
bool source_distrust(struct source *s, struct err *err);

struct source_progress {
	/* phase: "fetch", "unpack"; done and total in bytes, total 0: not known. */
	void (*at)(void *arg, const char *phase, uint64_t done, uint64_t total);
	void *arg;
};

/* The work that source_stage() did, for --timings and --json. */
struct source_cost {
	uint64_t received; /* bytes over the network */
	uint64_t unpacked; /* bytes written to staging */
	unsigned blobs, patches;
};

/*
 * Writes the files of layout for which has() returns false into the empty directory staging (an
 * fd). A component is fetched in the cheapest way: as patches, if the store has the base of each
 * (base() returns an fd of a digest's file, or -1) and they are smaller, otherwise as its blob. If
 * a patch fails, the blob is used. The digests of blobs are verified, those of files are not: the
 * children's user has written the files and owns them, so the caller must verify and chown them, as
 * deploy_lay_down() does. base and progress may be NULL.
 *
 * E_INVALID, E_LIMIT, E_GONE: the data is not what the release lists; other errors as http_fetch().
 */
MUST_CHECK int source_stage(struct source *s, const struct release *r, const struct layout *layout,
			    bool (*has)(void *arg, const struct entry *e),
			    int (*base)(void *arg, const char *sha256), void *arg, int staging,
			    const struct source_progress *progress, struct source_cost *cost,
			    struct err *err);

/*
 * Copies a release to the directory to (an fd), which can then be a source itself: the documents,
 * their signatures, the blobs (all, or those of components and the required ones) and the patches,
 * each verified. Files that are there already and correct are not fetched again; all others of an
 * older copy are removed. Even if this is interrupted, a directory with a release.yaml is complete.
 * *changed: false if the directory was this copy already. The directory stays locked (flock) until
 * to is closed. E_STATE: another process has it locked.
 */
MUST_CHECK int source_copy(struct source *s, const struct release *r, char *const *components,
			   int to, const struct source_progress *progress, bool *changed,
			   struct err *err);
