// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The files of this directory; each calls only those above it in this list:
 *
 *	names.c		recognizes the names of files in a release's directory
 *	lend.c		gives a directory to the children's user
 *	stream.c	reads a file and verifies it on the way
 *	sites.c		the mirrors, and whether each can still be used
 *	cache.c		the cache directory
 *	spool.c		unpacks a release that is a tar into the cache
 *	download.c	a child that fetches files from mirrors
 *	documents.c	reads documents and signatures, from one mirror or from a directory
 *	source.c	the kinds of sources
 *	unpack.c	children that write to staging
 *	stage.c		chooses blobs and patches, and runs the children
 *	copy.c		copies a release to a directory
 */

#include "base/vec.h"
#include "confine/confine.h"
#include "crypto/sha256.h"
#include "deploy/fetch/fetch.h"

/* --- names.c --- */

/* True for a document or a signature. */
bool name_is_document(const char *name);
/* True for a blob or a patch, with its folder. */
bool name_is_content(const char *name);
/* Maps a path in an archive to the name in a release's directory; returns a pointer into path, or
 * NULL if it is not a file of a release. *prefix is the top directory of the archive: NULL at
 * first; the first file of a release sets it (heap). */
const char *name_in_archive(char **prefix, const char *path);

/* --- lend.c --- */

/* The user that children run as, if the parent is root; 0: CONFINE_NOBODY. */
struct helpers {
	uid_t uid;
	gid_t gid;
};
/* Changes the owner of a directory to the children's user, and back to root. Do nothing if the
 * parent is not root. */
MUST_CHECK int lend(const struct helpers *h, int dir, struct err *err);
MUST_CHECK int lend_end(int dir, struct err *err);

/* --- stream.c --- */

/* A file of a release that is hashed while it is read. Its bytes are not verified before
 * stream_end() has succeeded. */
struct stream {
	int fd;
	const char *name, *sha256;
	uint64_t size, limit; /* size UINT64_MAX: not known, at most limit */
	uint64_t passed;      /* bytes read so far */
	struct sha256 *sum;
};
/* Reads fd from its position; fd, name and sha256 are borrowed. */
void stream_begin(struct stream *s, int fd, const char *name, const char *sha256, uint64_t size,
		  uint64_t limit);
/* Returns the number of bytes, 0 at the end. E_INVALID, E_LIMIT: the file is longer than
 * allowed. */
MUST_CHECK ssize_t stream_read(struct stream *s, void *to, size_t len, struct err *err);
/* To call at the end of the file. E_INVALID: its size or digest is wrong. */
MUST_CHECK int stream_end(struct stream *s, struct err *err);
void stream_release(struct stream *s);
DEFINE_AUTO_STRUCT(stream, struct stream, stream_release)

/* --- sites.c --- */

/* A mirror. */
struct site {
	char *url;
	struct err why; /* why it is not used in this run; E_OK: it can be used */
	bool slow;      /* it only was not the first to answer, and may be good */
};
struct sites {
	VEC(struct site) all; /* empty: the source is a directory */
	char *below;          /* the release's directory below each URL; NULL: the URL itself */
};
MUST_CHECK int sites_add(struct sites *s, const char *url, struct err *err);
void sites_release(struct sites *s);
/* Returns the index of the first usable mirror from from on; all.n if there is none. */
size_t sites_next(const struct sites *s, size_t from);
/* Returns how many mirrors are usable. */
size_t sites_usable(const struct sites *s);
/* Return the URL of the release's directory, heap; sites_shown(): without a password, for
 * messages. */
char *sites_url(const struct sites *s, size_t i);
char *sites_shown(const struct sites *s, size_t i);
/* Does not use a mirror any more in this run; warns at the first call for it. Returns false if it
 * is the last usable one, which stays usable. */
bool sites_set_aside(struct sites *s, size_t i, const struct err *why);
/* Sets aside a mirror that had not answered when another had. */
void sites_pass_over(struct sites *s, size_t i);
/* Sets aside the last usable mirror, and makes usable again those that were passed over. Returns
 * false if there are none. */
bool sites_return(struct sites *s, size_t last, const struct err *why);
/* Adds the errors of mirrors that were set aside to err, except those whose bit is set in except,
 * whose errors err has already. Returns -1. */
int sites_blame(const struct sites *s, uint32_t except, struct err *err);

/* --- cache.c --- */

/*
 * The cache directory. Downloads, complete or partial, are named by their digest; spool-* are
 * unpacked archives. One process uses the directory at a time (flock). The parent owns its files;
 * children get fds.
 */
struct cache {
	char *path;
	int dir;     /* -1: not opened yet */
	char *above; /* the part of path that existed before cache_open() */
};

/* Creates, locks and opens the directory; does nothing if it is open. E_STATE: another process uses
 * it. E_PERMISSION: others can write to it. */
MUST_CHECK int cache_open(struct cache *c, struct err *err);
/* Closes the directory, and removes it if it is empty, with those above that cache_open()
 * created. */
void cache_close(struct cache *c);
/* Opens or creates the download with that digest; returns an fd. */
MUST_CHECK int cache_file(struct cache *c, const char *sha256, struct err *err);
/* Removes all downloads, except those of a release (NULL: none). */
void cache_clean(struct cache *c, const struct release *keep);
/* Creates a directory for an archive; *name (heap) is its name in the cache. Returns an fd. */
MUST_CHECK int cache_spool(struct cache *c, char **name, struct err *err);

/* --- spool.c --- */

/* Unpacks tar (an fd of a file or a pipe) into a new directory of the cache; returns an fd of it.
 * name: for messages. *folder (heap): the name of the directory, which the caller removes. */
MUST_CHECK int spool(struct cache *cache, const struct helpers *h, int tar, const char *name,
		     char **folder, struct err *err);

/* --- download.c --- */

/*
 * A confined child that runs download jobs, from all usable mirrors or from one. The caller owns
 * the jobs; messages of the child update them and call watch, where a mirror is an index of sites.
 */
struct download {
	const struct http_options *http;
	const struct helpers *helpers;
	struct sites *sites;
	bool one; /* use the mirror site only, and set no mirror aside */
	size_t site;
	struct http_job *jobs;
	size_t n;
	struct http_watch watch;
	/* internal */
	int *fds;
	char **urls;
	size_t asked[HTTP_MIRRORS_MAX]; /* the index in sites of each of urls */
};
/* Starts the child; confine_wait() (confine.h) waits for it. */
MUST_CHECK int download_start(struct download *d, struct confined **child, struct err *err);
/* After the child succeeded: checks that every job is complete. */
MUST_CHECK int download_end(struct download *d, struct err *err);
/* After the child failed with err: adds the errors of other mirrors. Returns -1. */
int download_failed(struct download *d, struct err *err);
void download_release(struct download *d);
DEFINE_AUTO_STRUCT(download, struct download, download_release)
/* All of it: starts the child and waits for its end. */
MUST_CHECK int download_run(struct download *d, struct err *err);

/* --- the source --- */

struct document {
	char *name;
	char *text; /* NULL: the source does not have it */
	size_t len;
};

struct source {
	struct sites sites;             /* empty: use dir */
	int dir;                        /* of the release */
	char *name;                     /* for messages */
	bool entered;                   /* source_enter() was called */
	VEC(struct document) documents; /* that were read, or found missing */
	bool settled;                   /* all documents now come from the first usable mirror */
	unsigned patience_ms;
	struct http_options http;
	struct buf ca;
	struct cache cache;
	char *spool; /* in the cache, removed on close; NULL: none */
	bool keep_cache;
	struct helpers helpers;
};

/* True if the source is read over the network. */
static inline bool source_is_remote(const struct source *s)
{
	return s->sites.all.n > 0;
}

/* --- documents.c, and source_document(), source_signatures() --- */

/* Opens a regular file of a directory source; returns an fd. E_INVALID: its size is not size
 * (UINT64_MAX: any). */
MUST_CHECK int source_file(struct source *s, const char *path, uint64_t size, struct err *err);
/* Forgets all documents: the next is read again, from any usable mirror. */
void source_forget(struct source *s);

/* --- unpack.c --- */

struct patching {
	const struct entry *entry; /* the file that it makes */
	const struct release_patch *patch;
	int base, fd;  /* fds of the old file and of the patch */
	size_t object; /* index in stage.c */
};

/* The work of one child: unpack a component's blob, or apply patches. */
struct unpacking {
	const struct helpers *helpers;
	const struct release *r;
	const struct release_component *component;
	const bool *wanted; /* by index of r->layout.entries */
	int staging;
	int blob; /* fd; -1: apply patches */
	struct patching *patches;
	size_t npatches;
	uint64_t done; /* bytes of the blob, or of patches, that the child has processed */
	/* internal */
	char *name;
	int *fds;
	bool *seen;
};
MUST_CHECK int unpacking_start(struct unpacking *u, struct confined **child, struct err *err);
void unpacking_release(struct unpacking *u);
