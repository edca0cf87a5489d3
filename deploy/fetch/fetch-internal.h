// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A source (source.c) is a list of URLs or a directory; a tar archive is spread into the cache
 * first (spool.c) and is a directory then. Files come through download.c, and into staging through
 * unpack.c; stage.c and copy.c say which. Only cache.c knows what lies in the cache directory.
 */

#include "base/vec.h"
#include "confine/confine.h"
#include "deploy/fetch/fetch.h"

/* --- cache.c --- */

/*
 * The cache directory: downloads named by their digest, whole or not, each with DIGEST.tag, which
 * says what the bytes are of (http.h); spool-*: archives being looked at. One process uses it at a
 * time (flock). All of it belongs to us; children get fds.
 */
struct cache {
	char *path;
	int dir; /* -1: not opened yet */
};

/* Does nothing if it is open. E_STATE: another process has it; E_PERMISSION: it is not ours. */
MUST_CHECK int cache_open(struct cache *c, struct err *err);
/* Takes the directory away if it is empty. */
void cache_close(struct cache *c);
/* The download of that digest, made if need be; tag gets what its bytes are of. Returns an fd. */
MUST_CHECK int cache_file(struct cache *c, const char *sha256, char tag[HTTP_TAG_MAX],
			  struct err *err);
/* Notes what the bytes from now on are of. Best effort: without it more is fetched again. */
void cache_tag(struct cache *c, const char *sha256, const char *tag);
/* Removes all downloads. */
void cache_clean(struct cache *c);
/* A new directory for an archive; *name (heap) is its name in the cache. Returns an fd. */
MUST_CHECK int cache_spool(struct cache *c, char **name, struct err *err);

/* --- source.c --- */

struct document {
	char *name;
	char *text; /* NULL: there is none */
	size_t len;
};

struct source {
	char **urls; /* or NULL, and then */
	int dir;     /* of the release */
	char *name;  /* for messages */
	struct http_options http;
	struct buf ca;
	struct cache cache;
	char *spool; /* in the cache, to be removed */
	bool keep_cache;
	uid_t uid;
	gid_t gid;
	VEC(struct document) documents; /* that were asked for */
};

/* Opens a file of a directory's: regular, of that size (UINT64_MAX: any). */
MUST_CHECK int source_file(struct source *s, const char *path, uint64_t size, struct err *err);

/* The user that children become; the directory is given to it, and taken back. */
MUST_CHECK int source_lend(const struct source *s, int dir, struct err *err);
MUST_CHECK int source_take_back(int dir, struct err *err);

/* --- spool.c --- */

/* tar: a file or a pipe. Sets s->dir. */
MUST_CHECK int spool_open(struct source *s, int tar, struct err *err);
/* The name that a path of an archive gets in a release's directory, or NULL; prefix: see there. */
const char *spool_name(char **prefix, const char *path);

/* --- download.c --- */

/*
 * Jobs done by a confined child. The jobs are the caller's; what the child tells of them arrives in
 * them, and through watch.
 */
struct download {
	struct source *s;
	struct http_job *jobs;
	size_t n;
	struct http_watch watch;
	/* its own */
	int *fds;
};
MUST_CHECK int download_start(struct download *d, struct confined **child, struct err *err);
/* After the child ended well: is all there that it was to get? Also releases d's own. */
MUST_CHECK int download_end(struct download *d, struct err *err);
void download_release(struct download *d);
DEFINE_AUTO_STRUCT(download, struct download, download_release)
MUST_CHECK int download_run(struct download *d, struct err *err);

/* --- unpack.c --- */

struct patching {
	const struct entry *entry;
	const struct release_patch *patch;
	int base, fd;  /* of the old file, of the patch */
	size_t object; /* stage.c's */
};

/* What one child does: a component's blob, or patches. */
struct unpacking {
	struct source *s;
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
