// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The files of this directory, each of which calls only those above it:
 *
 *	names.c		which names a release's directory has
 *	lend.c		directories that children work in
 *	stream.c	a file, verified as it passes
 *	sites.c		the mirrors, and which of them can be used
 *	cache.c		the cache directory
 *	spool.c		an archive becomes a directory of the cache
 *	download.c	a child that fetches files from mirrors
 *	documents.c	documents and signatures, from one mirror or from a directory
 *	source.c	the kinds of sources
 *	unpack.c	children that write to staging
 *	stage.c, copy.c	choose what is fetched
 */

#include "base/vec.h"
#include "confine/confine.h"
#include "crypto/sha256.h"
#include "deploy/fetch/fetch.h"

/* --- names.c --- */

/* A document or a signature. */
bool name_is_document(const char *name);
/* A blob or a patch, with its folder. */
bool name_is_content(const char *name);
/* Maps a path of an archive to its name in a release's directory, NULL: not part of one. *prefix is
 * the archive's top directory: NULL at first, set (heap) by the first known path. */
const char *name_in_archive(char **prefix, const char *path);

/* --- lend.c --- */

/* The children's user, if we are root; 0: CONFINE_NOBODY. */
struct helpers {
	uid_t uid;
	gid_t gid;
};
/* Changes the owner of a directory to the children's user, and back to us. */
MUST_CHECK int lend(const struct helpers *h, int dir, struct err *err);
MUST_CHECK int lend_end(int dir, struct err *err);

/* --- stream.c --- */

struct stream {
	int fd;
	const char *name, *sha256;
	uint64_t size, limit; /* size UINT64_MAX: not known, up to limit */
	uint64_t passed;
	struct sha256 *sum;
};
/* fd: read from its position; borrowed, as name and sha256 are. */
void stream_begin(struct stream *s, int fd, const char *name, const char *sha256, uint64_t size,
		  uint64_t limit);
/* 0: the end. E_INVALID, E_LIMIT: more bytes than it may have. */
MUST_CHECK ssize_t stream_read(struct stream *s, void *to, size_t len, struct err *err);
/* After its end. E_INVALID: it is not what the release lists. */
MUST_CHECK int stream_end(struct stream *s, struct err *err);
void stream_release(struct stream *s);
DEFINE_AUTO_STRUCT(stream, struct stream, stream_release)

/* --- sites.c --- */

struct site {
	char *url;
	struct err why; /* it is set aside; E_OK: it can be used */
};
struct sites {
	VEC(struct site) all; /* none: the source is a directory */
	char *below;          /* the release's directory at each; NULL: the URL itself */
};
MUST_CHECK int sites_add(struct sites *s, const char *url, struct err *err);
void sites_release(struct sites *s);
/* Index of the first usable one from there on; all.n: none. */
size_t sites_next(const struct sites *s, size_t from);
size_t sites_usable(const struct sites *s);
/* Heap: of the release's directory; and without a password, for messages. */
char *sites_url(const struct sites *s, size_t i);
char *sites_shown(const struct sites *s, size_t i);
/* Warns, once for each. False: it is the last usable one and stays. */
bool sites_set_aside(struct sites *s, size_t i, const struct err *why);
/* Adds to an error why other mirrors were not used; except: a bit for each that it is about anyway.
 * Returns -1. */
int sites_blame(const struct sites *s, uint32_t except, struct err *err);

/* --- cache.c --- */

/*
 * The cache directory: downloads named by their digest, complete or partial, each with DIGEST.tag,
 * the HTTP validator of its bytes (http.h); spool-*: unpacked archives. One process uses it at a
 * time (flock). Its files are owned by us; children get fds.
 */
struct cache {
	char *path;
	int dir;     /* -1: not opened yet */
	char *above; /* what existed of the path before */
};

/* Does nothing if it is open. E_STATE: another process uses it. E_PERMISSION: others can write to
 * it. */
MUST_CHECK int cache_open(struct cache *c, struct err *err);
/* Closes it, and removes the directory if it is empty, and those above that it made. */
void cache_close(struct cache *c);
/* Opens or creates the download of that digest; tag gets the validator of its bytes, or "". Returns
 * an fd. */
MUST_CHECK int cache_file(struct cache *c, const char *sha256, char tag[HTTP_TAG_MAX],
			  struct err *err);
/* Stores the validator of the bytes that follow. Best effort: without it a resume starts over. */
void cache_tag(struct cache *c, const char *sha256, const char *tag);
/* Removes all downloads. */
void cache_clean(struct cache *c);
/* A new directory for an archive; *name (heap) is its name in the cache. Returns an fd. */
MUST_CHECK int cache_spool(struct cache *c, char **name, struct err *err);

/* --- spool.c --- */

/* tar: a file or a pipe; name: for messages. *folder (heap): in the cache, where it was unpacked.
 * Returns an fd of it. */
MUST_CHECK int spool(struct cache *cache, const struct helpers *h, int tar, const char *name,
		     char **folder, struct err *err);

/* --- download.c --- */

/*
 * Download jobs run by a confined child, from all usable mirrors, or from one. The jobs are the
 * caller's; the child's reports update them and call watch, whose mirrors are indices of sites.
 */
struct download {
	const struct http_options *http;
	const struct helpers *helpers;
	struct sites *sites;
	bool one; /* from this one only; nothing is set aside */
	size_t site;
	struct http_job *jobs;
	size_t n;
	struct http_watch watch;
	/* internal */
	int *fds;
	char **urls;
	size_t asked[HTTP_MIRRORS_MAX]; /* the sites of urls */
};
MUST_CHECK int download_start(struct download *d, struct confined **child, struct err *err);
/* After the child succeeded: checks that every job is complete. */
MUST_CHECK int download_end(struct download *d, struct err *err);
/* After the child failed: adds what is known of other mirrors. Returns -1. */
int download_failed(struct download *d, struct err *err);
void download_release(struct download *d);
DEFINE_AUTO_STRUCT(download, struct download, download_release)
MUST_CHECK int download_run(struct download *d, struct err *err);

/* --- the source --- */

struct document {
	char *name;
	char *text; /* NULL: there is none */
	size_t len;
};

struct source {
	struct sites sites; /* none: use dir */
	int dir;            /* of the release */
	char *name;         /* for messages */
	bool entered;       /* a subdirectory, see source_enter() */
	/* Documents that were read or looked for; settled: from which mirror, the first usable. */
	VEC(struct document) documents;
	bool settled;
	unsigned patience_ms;
	struct http_options http;
	struct buf ca;
	struct cache cache;
	char *spool; /* in the cache, removed on close; NULL: none */
	bool keep_cache;
	struct helpers helpers;
};

/* True if it is read over the network. */
static inline bool source_is_remote(const struct source *s)
{
	return s->sites.all.n > 0;
}

/* --- documents.c, and source_document(), source_signatures() --- */

/* Opens a regular file of a directory source, of that size (UINT64_MAX: any). Returns an fd. */
MUST_CHECK int source_file(struct source *s, const char *path, uint64_t size, struct err *err);
/* The next one is read anew, from any mirror. */
void source_forget(struct source *s);

/* --- unpack.c --- */

struct patching {
	const struct entry *entry;
	const struct release_patch *patch;
	int base, fd;  /* fds of the old file and of the patch */
	size_t object; /* stage.c's */
};

/* The work of one child: unpack a component's blob, or apply patches. */
struct unpacking {
	const struct helpers *helpers;
	const struct release *r;
	const struct release_component *component;
	const bool *wanted; /* by index of r->layout.entries */
	int staging;
	int blob; /* fd, or -1: patches */
	struct patching *patches;
	size_t npatches;
	uint64_t done; /* bytes of the blob or of patches */
	/* its own */
	char *name;
	int *fds;
	bool *seen;
};
MUST_CHECK int unpacking_start(struct unpacking *u, struct confined **child, struct err *err);
void unpacking_release(struct unpacking *u);
