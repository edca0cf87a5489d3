// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Fetching files over HTTP and HTTPS (libcurl behind it): several at once, resumed, from mirrors.
 *
 *	struct http_options o = { .cacert = cacert, .connections = 6 };
 *	struct http_job jobs[] = {
 *		{ .path = "blobs/....tar.zst", .fd = fd, .size = n, .sha256 = d },
 *	};
 *	char *const mirrors[] = { "https://a.example/kata/3.9.0/", "https://b.example/...", NULL };
 *	if (http_fetch(&o, mirrors, jobs, 1, &watch, err) < 0)
 *		return -1;
 *
 * A job whose file has bytes already goes on after them with Range; with If-Range, if its tag says
 * what they are of. The tag is the caller's to keep, beside the file, from one run to the next:
 * watch->begun tells each new one before the first byte is written. Bytes without a tag are gone on
 * with only where a digest will tell whether that was right; if it was not, once from the start.
 *
 * Mirrors are asked in their order. One that fails loses one of its HTTP_BUDGET lives and gets all
 * back with a file that it delivers; one without lives is asked only when no other has any. What is
 * tried again: connection failures, time-outs, 408, 429, 5xx, at the next mirror, or after growing
 * pauses and Retry-After (both up to HTTP_PAUSE_MAX); after HTTP_TRIES times in a row without
 * anything gained, once more for each further mirror, the job has failed. What is not: 401, 403,
 * 404, 410, what is longer or shorter than it should be or has another digest (another mirror is
 * asked). Never from https to http, at most HTTP_REDIRECTS redirects, no other scheme.
 * Certificates are verified against --cacert or the system's bundle; a certificate that is wrong is
 * final, and the error says what is wrong with it.
 *
 * A file of known size never grows beyond it; one of unknown size never beyond limit. Answers
 * slower than HTTP_SLOWEST for the stall time are given up.
 *
 * Blocks until all is done; makes threads (name service) and so belongs into a child of its own if
 * the program forks without exec. http_init() before such a fork saves the child the reading of
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
	HTTP_PAUSE_MAX = 60,
	HTTP_STALL = 30,
	HTTP_SLOWEST = 256, /* bytes per second */
	HTTP_MIRRORS_MAX = 32,
	HTTP_TAG_MAX = 160,
	HTTP_CA_MAX = 4 << 20,
};

struct http_options {
	const char *cacert;   /* PEM file; NULL: the system's */
	const char *ca_pem;   /* its text, in place of both; see http_read_ca() */
	const char *proxy;    /* NULL: from the environment, as curl(1) */
	uint64_t rate;        /* bytes per second for all together; 0: no limit */
	unsigned connections; /* at once; 0: 6 */
	unsigned stall;       /* seconds without a byte before a try is given up; 0: HTTP_STALL */
	unsigned pause_ms;    /* the first pause before another try; 0: 500 */
};

struct http_job {
	const char *path;   /* below the mirror's URL */
	int fd;             /* a regular file, for reading and writing; borrowed */
	struct buf *to;     /* instead of fd: memory; never resumed */
	uint64_t size;      /* exactly; UINT64_MAX: not known */
	uint64_t limit;     /* where the size is not known */
	const char *sha256; /* NULL: not known */
	bool optional; /* that no mirror has it, or gives it to us, is no error: missing. Object
			  stores say 403 for what is not there */
	bool spare;    /* nor is any other failure but of this machine and of TLS: missing */
	/* In: what the bytes in the file are of, "" if that is not known. Out: the same for what is
	 * there then. An entity tag or a date, as If-Range wants it. */
	char tag[HTTP_TAG_MAX];
	/* filled in */
	uint64_t received; /* over the network, of all tries */
	bool done, missing;
};

/* Each may be NULL. */
struct http_watch {
	/* total is 0 where it is not known. Called at least every 200 ms while it runs. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void (*begun)(void *arg, size_t job);
	void (*done)(void *arg, size_t job);
	void *arg;
};

/* All jobs, or the first error that could not be mended; finished files stay. E_NOT_FOUND,
 * E_PERMISSION (401, 403), E_TIMEOUT, E_GONE (connection, 5xx), E_LIMIT (longer than it may be),
 * E_INVALID (wrong digest or length), E_PROTOCOL, E_TRUST (TLS), E_USAGE (no URL of ours). */
MUST_CHECK int http_fetch(const struct http_options *o, char *const *mirrors, struct http_job *jobs,
			  size_t njobs, const struct http_watch *watch, struct err *err);

/* A small document into memory, up to limit bytes. */
MUST_CHECK int http_get(const struct http_options *o, char *const *mirrors, const char *path,
			size_t limit, struct buf *to, struct err *err);

void http_init(void);
/* The certificates of cacert, or of the system's bundle (SSL_CERT_FILE, or where distributions have
 * it), for who cannot read files later. E_NOT_FOUND: there is no bundle. */
MUST_CHECK int http_read_ca(const char *cacert, struct buf *pem, struct err *err);
/* True for what can be a job's tag. */
bool http_tag_is_good(const char *tag);
/* E_USAGE unless it is a URL that can be a mirror. */
MUST_CHECK int http_check_url(const char *url, struct err *err);
/* The URL without user and password, for people. Heap. */
char *http_shown(const char *url);
