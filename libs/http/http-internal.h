// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A fetch (http.c) has mirrors (mirror.c) and one transfer for each job (transfer.c). A transfer
 * makes one try after the other; the result of a try is a verdict (verdict.c), on which http.c
 * acts. fields.c parses header fields that libcurl does not parse.
 */

#include "base/err.h"
#include "http/http.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- fields.c: no input or output, fuzzed --- */

enum { HTTP_TAG_MAX = 160 };

struct http_range {
	uint64_t from, to, total; /* total UINT64_MAX: "*" */
};

/* The value of a header line "NAME: VALUE\r\n" without blanks around it, if it has that name; it
 * points into line. */
bool http_field(const char *line, size_t len, const char *name, const char **value, size_t *n);
/* Parses "bytes 7-9/10"; false for anything else, or an impossible range. */
bool http_range_parse(const char *value, size_t len, struct http_range *out);
/* Copies a strong entity tag or a date that is valid in If-Range; for anything else returns false
 * and sets to to "". */
bool http_tag_parse(const char *value, size_t len, char to[HTTP_TAG_MAX]);

/* --- url.c --- */

/* base + "/" + path, with escapes where needed. Heap. */
char *http_url(const char *base, const char *path);
bool http_is_secure(const char *url);
/* The URL of a redirect to to: with the user and password of from if scheme, host and port are the
 * same, unless to has its own. Heap. */
char *http_redirected(const char *from, const char *to);

/* --- mirror.c --- */

struct mirror {
	const char *url;
	unsigned lives;
	uint64_t not_before; /* the end of a pause (Retry-After, no answer); as clock_ms() */
	bool reached;        /* a connection was made */
	unsigned running;    /* number of running tries */
	struct err why;      /* why it is set aside; E_OK: it is not */
};

struct transfer;
/* The mirror for the transfer's next try; NULL if none is left. */
struct mirror *mirror_choose(struct mirror *all, size_t n, const struct transfer *t);

/* --- transfer.c --- */

enum verdict {
	V_GOOD,
	V_AGAIN,     /* may succeed later */
	V_ELSEWHERE, /* this mirror cannot serve this file */
	V_RESTART,   /* retry at once, from the start of the file */
	V_REDIRECT,
	V_FATAL,
};

struct fetch;

struct transfer {
	struct fetch *f;
	struct http_job *job;
	size_t index;
	enum { T_WAITING, T_RUNNING, T_DONE } state;
	uint64_t not_before; /* as clock_ms() */
	struct mirror *mirror;
	uint32_t refused;    /* a bit for each mirror that cannot serve the file */
	bool absent;         /* a mirror reported that it lacks the file, or denied access */
	unsigned tries, all; /* failed tries: consecutive ones, and all */
	char **why;          /* the last failure at each mirror; NULL: none yet */
	struct err worst;    /* the failure with the largest http_weight() */
	uint64_t at;         /* size of the file now */
	struct sha256 *sum;  /* digest of the first summed bytes */
	uint64_t summed;
	bool fresh;     /* do not request a range */
	bool inherited; /* the file has bytes of an earlier run or another mirror */
	/* The validator of the file's bytes, for a job without a digest: an entity tag or a date; "":
	 * none. Mirrors have different ones for the same bytes. */
	char tag[HTTP_TAG_MAX];
	/* state of the current try */
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	unsigned redirects;
	uint64_t started_at;      /* size of the file at its start */
	bool ranged;              /* a range was requested */
	bool judged;              /* transfer_judge() was called */
	bool paused;              /* by rate_allows() */
	bool answered;            /* a status line was received */
	size_t head_bytes, waste; /* bytes of headers, and of bodies that are not kept */
	bool has_range;
	struct http_range range;
	char etag[HTTP_TAG_MAX], modified[HTTP_TAG_MAX];
	enum verdict verdict; /* set with err by a callback that aborts the try */
	struct err err;
	char text[CURL_ERROR_SIZE];
};

struct fetch {
	const struct http_options *o;
	const struct http_watch *watch;
	CURLM *multi;
	struct mirror mirrors[HTTP_MIRRORS_MAX];
	size_t nmirrors;
	struct transfer *transfers;
	size_t n, running;
	bool news;         /* a mirror was reached: more tries may start */
	uint64_t reported; /* when progress was called last, as clock_ms() */
	uint64_t started;  /* as clock_ms() */
	uint64_t counted;  /* bytes since then, for the rate */
};

/* --- rate.c --- */

/* If len more bytes are allowed now, counts them and returns true; else the transfer must pause. */
bool rate_allows(struct fetch *f, size_t len);
/* Resumes paused transfers as far as the rate allows. Returns true if some are still paused. */
bool rate_resume(struct fetch *f);

/* Reads the size of the file, which is emptied if its contents cannot be resumed. */
MUST_CHECK int transfer_open(struct transfer *t, struct err *err);
/* For a file of the expected size: sets T_DONE if its digest is right, else empties it. */
MUST_CHECK int transfer_check(struct transfer *t, struct err *err);
/* Starts a try at t->url. */
MUST_CHECK int transfer_start(struct transfer *t, struct err *err);
/* Called when libcurl's handle has ended with rc: removes it from multi and returns the verdict,
 * with t->err set unless it is V_GOOD. */
enum verdict transfer_end(struct transfer *t, CURLcode rc);
void transfer_release(struct transfer *t);
/* Empties the file. */
MUST_CHECK int transfer_rewind(struct transfer *t, struct err *err);
/* Called at the first byte or the end of an answer's body: checks that the answer is what was
 * requested. If not, returns -1 and sets t->verdict and t->err. */
MUST_CHECK int transfer_judge(struct transfer *t);

/* --- verdict.c --- */

/* The verdict of a try that has ended with rc; sets t->err unless it is V_GOOD or V_REDIRECT. */
enum verdict verdict_of(struct transfer *t, CURLcode rc);
