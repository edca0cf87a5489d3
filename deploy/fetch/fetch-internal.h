// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A source (source.c) is a list of URLs or a directory; a tar archive is unpacked into the cache
 * first (spool.c) and then used as a directory. download.c downloads files, unpack.c writes them to
 * staging; stage.c and copy.c choose them. Only cache.c knows the contents of the cache directory.
 */

#include "base/vec.h"
#include "confine/confine.h"
#include "deploy/fetch/fetch.h"

/* --- cache.c --- */

/*
 * The cache directory: downloads named by their digest, complete or partial, each with DIGEST.tag,
 * the HTTP validator of its bytes (http.h); spool-*: unpacked archives. One process uses it at a
 * time (flock). Its files are owned by us; children get fds.
 */
struct cache {
	char *path;
	int dir; /* -1: not opened yet */
};

/* Does nothing if it is open. E_STATE: another process uses it. E_PERMISSION: others can write to
 * it. */
MUST_CHECK int cache_open(struct cache *c, struct err *err);
/* Closes it, and removes the directory if it is empty. */
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

/* --- source.c --- */

struct document {
	char *name;
	char *text; /* NULL: there is none */
	size_t len;
};

struct source {
	char **urls; /* NULL: use dir */
	int dir;     /* of the release */
	char *name;  /* for messages */
	struct http_options http;
	struct buf ca;
	struct cache cache;
	char *spool; /* in the cache, removed on close; NULL: none */
	bool keep_cache;
	uid_t uid;
	gid_t gid;
	VEC(struct document) documents; /* that were read or looked for */
};

/* Opens a regular file of a directory source, of that size (UINT64_MAX: any). Returns an fd. */
MUST_CHECK int source_file(struct source *s, const char *path, uint64_t size, struct err *err);

/* Changes the owner of a directory to the children's user, and back to us. */
MUST_CHECK int source_lend(const struct source *s, int dir, struct err *err);
MUST_CHECK int source_take_back(int dir, struct err *err);

/* --- spool.c --- */

/* tar: a file or a pipe. Sets s->dir. */
MUST_CHECK int spool_open(struct source *s, int tar, struct err *err);
/* Maps a path of an archive to its name in a release's directory, NULL: not part of one. *prefix is
 * the archive's top directory: NULL at first, set (heap) by the first known path. */
const char *spool_name(char **prefix, const char *path);

/* --- download.c --- */

/*
 * Download jobs run by a confined child. The jobs are the caller's; the child's reports update them
 * and call watch.
 */
struct download {
	struct source *s;
	struct http_job *jobs;
	size_t n;
	struct http_watch watch;
	/* internal */
	int *fds;
};
MUST_CHECK int download_start(struct download *d, struct confined **child, struct err *err);
/* After the child succeeded: checks that every job is complete. */
MUST_CHECK int download_end(struct download *d, struct err *err);
void download_release(struct download *d);
DEFINE_AUTO_STRUCT(download, struct download, download_release)
MUST_CHECK int download_run(struct download *d, struct err *err);

/* --- unpack.c --- */

struct patching {
	const struct entry *entry;
	const struct release_patch *patch;
	int base, fd;  /* fds of the old file and of the patch */
	size_t object; /* stage.c's */
};

/* The work of one child: unpack a component's blob, or apply patches. */
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
