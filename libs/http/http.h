// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Downloads files over HTTP and HTTPS (with libcurl): in parallel, resumable, from mirrors.
 *
 *	struct http_options o = { .cacert = cacert, .connections = 6 };
 *	struct http_job jobs[] = {
 *		{ .path = "blobs/....tar.zst", .fd = fd, .size = n, .sha256 = d },
 *	};
 *	char *const mirrors[] = { "https://a.example/kata/3.9.0/", "https://b.example/...", NULL };
 *	if (http_fetch(&o, mirrors, jobs, 1, &watch, err) < 0)
 *		return -1;
 *
 * A job with a digest whose file has bytes already is resumed after them with Range, whichever
 * mirror or earlier run they are from: if the digest does not match at the end, the job is restarted
 * once from the beginning. Without a digest only what this call has received is resumed, with
 * If-Range, and only if the server has a strong validator.
 *
 * Mirrors are used in their order. A failure costs a mirror one of its HTTP_BUDGET lives, a
 * delivered file restores all; a mirror without lives is used only when no other has any.
 * Connection failures, time-outs, 408, 429 and 5xx are retried at the next mirror, or at the same
 * mirror after growing pauses and Retry-After (both up to HTTP_PAUSE_MAX). 401, 403, 404, 410, a
 * wrong length or digest, and an invalid certificate are not retried at the same mirror. A job
 * fails after HTTP_TRIES consecutive tries without progress, plus one for each further mirror; the
 * message has the reason of every mirror.
 *
 * A mirror is set aside, that is, used only when no other mirror is left, if it gives no answer at
 * all, or a wrong one: of the wrong length or digest, with an invalid certificate, not HTTP. Until
 * a connection to a mirror was made, there is one attempt at a time, so an unreachable mirror costs
 * only one time-out. Redirects: at most HTTP_REDIRECTS, never from https to http or to another
 * scheme. User and password of a mirror's URL are sent to its scheme, host and port only.
 * Certificates are verified against cacert or the system's bundle.
 *
 * A file never grows beyond its size, or beyond limit if the size is not known. Tries slower than
 * HTTP_SLOWEST for the stall time are aborted.
 *
 * Blocks until all jobs are done. libcurl creates threads (name service), so a program that forks
 * without exec must call http_fetch() in a child; after http_init() the child need not read
 * configuration files.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_BUDGET = 3,
	HTTP_TRIES = 5,
	HTTP_REDIRECTS = 5,
	HTTP_CONNECT = 10, /* seconds to connect, or the stall time if that is shorter */
	HTTP_PAUSE_MAX = 60,
	HTTP_STALL = 30,
	HTTP_SLOWEST = 256, /* bytes per second */
	HTTP_MIRRORS_MAX = 32,
	HTTP_CA_MAX = 4 << 20,
};

struct http_options {
	const char *cacert;   /* PEM file; NULL: the system's */
	const char *ca_pem;   /* PEM text, overrides both; see http_read_ca() */
	const char *proxy;    /* NULL: from the environment, as curl(1) */
	uint64_t rate;        /* bytes per second, of all jobs together; 0: no limit */
	unsigned connections; /* parallel connections; 0: 6 */
	unsigned stall;       /* seconds without a byte after which a try is aborted; 0:
			       * HTTP_STALL */
	unsigned pause_ms;    /* the first pause before another try; 0: 500 */
	unsigned tries;       /* 0: HTTP_TRIES */
};

struct http_job {
	const char *path;   /* below the mirror's URL */
	int fd;             /* a regular file, for reading and writing; borrowed */
	struct buf *to;     /* memory instead of fd; never resumed */
	uint64_t size;      /* of the file; UINT64_MAX: not known */
	uint64_t limit;     /* the largest size allowed if it is not known */
	const char *sha256; /* NULL: not known */
	/* A missing file is no error and sets missing: a mirror answers 404 or 410, or mirrors deny
	 * access (object stores answer 403 for missing objects) and no other mirror has the
	 * file. */
	bool optional;
	/* As optional; other failures, except local ones and those of TLS, set missing too. */
	bool spare;
	/* out */
	uint64_t received; /* bytes received in all tries */
	bool done, missing;
};

/* Callbacks; each may be NULL. */
struct http_watch {
	/* Bytes of all jobs; total is 0 if it is not known. Called at least every 200 ms. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	/* The job (an index) is done. */
	void (*done)(void *arg, size_t job);
	/* A mirror (an index) was set aside; called once for each. */
	void (*aside)(void *arg, size_t mirror, const struct err *why);
	void *arg;
};

/* Runs all jobs; fails with the first final error. mirrors: a strv of URLs. Finished files are
 * kept. E_NOT_FOUND, E_PERMISSION (401, 403), E_TIMEOUT, E_GONE (connection, 5xx), E_LIMIT (too
 * long), E_INVALID (wrong digest or length), E_PROTOCOL, E_TRUST (TLS), E_USAGE (invalid URL). If
 * mirrors fail in different ways, the code is the one with the largest http_weight(). */
MUST_CHECK int http_fetch(const struct http_options *o, char *const *mirrors, struct http_job *jobs,
			  size_t njobs, const struct http_watch *watch, struct err *err);

/* Fetches a document of up to limit bytes into memory. */
MUST_CHECK int http_get(const struct http_options *o, char *const *mirrors, const char *path,
			size_t limit, struct buf *to, struct err *err);

/* The weight of a mirror's error: 0 if the mirror was not reached or is in trouble, 1 if it does
 * not have the file or denies access, 2 if it sent something wrong. */
unsigned http_weight(enum err_code code);
/* Initializes libcurl. The other functions do so themselves. */
void http_init(void);
/* Appends the certificates of cacert, or of the system's bundle (SSL_CERT_FILE, or the
 * distributions' paths), or the built-in ones (roots.h), to pem; for a child that cannot read
 * files. E_NOT_FOUND if there are none. */
MUST_CHECK int http_read_ca(const char *cacert, struct buf *pem, struct err *err);
/* E_USAGE unless the URL is valid for a mirror. */
MUST_CHECK int http_check_url(const char *url, struct err *err);
/* The URL without user and password, for messages; heap. */
char *http_shown(const char *url);
