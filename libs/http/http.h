// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Fetching files over HTTP and HTTPS (libcurl behind it): several at once, resumed, from mirrors.
 *
 *	struct http_options o = { .cacert = cacert, .connections = 6 };
 *	struct http_job jobs[] = { { .path = "blobs/....tar.zst", .fd = fd, .size = n, .sha256 = d }
 *}; char *const mirrors[] = { "https://a.example/kata/3.9.0/", "https://b.example/...", NULL }; if
 *(http_fetch(&o, mirrors, jobs, 1, progress, arg, err) < 0) return -1;
 *
 * A job whose file has bytes already goes on after them (Range, If-Range with the validator kept
 * beside it), else from the start. A mirror that fails loses one of its HTTP_BUDGET lives; without
 * lives it is not asked again. What is tried again: connection failures, time-outs, 408, 429, 5xx,
 * with growing pauses and Retry-After up to HTTP_PAUSE_MAX; what is not: 401, 403, 404, 410 (the
 * next mirror is asked). A file of known size never grows beyond it; one of unknown size never
 * beyond limit. Never from https to http, at most HTTP_REDIRECTS redirects, no other scheme.
 * Certificates are verified against --cacert or the system's bundle; a TLS failure is final and
 * says what is wrong with the certificate.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_BUDGET = 3, HTTP_TRIES = 5, HTTP_REDIRECTS = 5, HTTP_PAUSE_MAX = 60, HTTP_STALL = 30 };

struct http_options {
	const char *cacert;   /* PEM file; NULL: the system's */
	const char *proxy;    /* NULL: from the environment, as curl(1) */
	uint64_t rate;        /* bytes per second for all together; 0: no limit */
	unsigned connections; /* at once; 0: 6 */
	unsigned stall;       /* seconds without a byte before a try is given up; 0: HTTP_STALL */
	unsigned pause_ms;    /* the first pause before another try; 0: 500 */
};

struct http_job {
	const char *path;   /* below the mirror's URL */
	int fd;             /* a regular file, for reading and writing; borrowed */
	uint64_t size;      /* exactly; UINT64_MAX: not known */
	uint64_t limit;     /* where the size is not known */
	const char *sha256; /* NULL: not known */
	/* filled in */
	uint64_t received; /* over the network, of all tries */
	bool done;
};

/* total is 0 where it is not known. Called at least every 200 ms while it runs. */
typedef void http_progress(void *arg, uint64_t done, uint64_t total);

/* All jobs, or the first error that could not be mended; finished files stay. E_NOT_FOUND,
 * E_TIMEOUT, E_GONE (connection), E_LIMIT (longer than it may be), E_INVALID (wrong digest or
 * length), E_TRUST (TLS). */
MUST_CHECK int http_fetch(const struct http_options *o, char *const *mirrors, struct http_job *jobs,
			  size_t njobs, http_progress *progress, void *arg, struct err *err);

/* A small document into memory, up to limit bytes. */
MUST_CHECK int http_get(const struct http_options *o, char *const *mirrors, const char *path,
			size_t limit, struct buf *to, struct err *err);
