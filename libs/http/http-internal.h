// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * One fetch (http.c) has mirrors (mirror.c) and a transfer per job (transfer.c), which makes one
 * try after the other; what a try came to is a verdict (verdict.c), and http.c draws the
 * conclusions. fields.c reads the header fields that libcurl does not read for us.
 */

#include "base/err.h"
#include "http/http.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- fields.c: no input or output, fuzzed --- */

struct http_range {
	uint64_t from, to, total; /* total UINT64_MAX: "*" */
};

/* The value of a header line "NAME: VALUE\r\n" without blanks around it, if it has that name; it
 * points into line. */
bool http_field(const char *line, size_t len, const char *name, const char **value, size_t *n);
/* "bytes 7-9/10"; false for anything else, or what cannot be. */
bool http_range_parse(const char *value, size_t len, struct http_range *out);
/* A strong entity tag or a date that can stand in If-Range; "" in to if it is none. */
bool http_tag_parse(const char *value, size_t len, char to[HTTP_TAG_MAX]);

/* --- url.c --- */

/* base + "/" + path, each character that needs it escaped. Heap. */
char *http_url(const char *base, const char *path);
bool http_is_secure(const char *url);

/* --- mirror.c --- */

struct mirror {
	const char *url;
	unsigned lives;
	uint64_t not_before; /* Retry-After, as clock_ms() */
};

struct transfer;
/* The mirror to ask for it next, or NULL: none is left. */
struct mirror *mirror_choose(struct mirror *all, size_t n, const struct transfer *t);

/* --- transfer.c --- */

enum verdict {
	V_GOOD,
	V_AGAIN,     /* may go better later */
	V_ELSEWHERE, /* this mirror will not do for this file */
	V_RESTART,   /* the same again, from the start, at once */
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
	uint32_t refused;    /* a bit per mirror that will not do */
	unsigned tries, all; /* failures in a row, and ever */
	uint64_t at;         /* bytes that the file has */
	struct sha256 *sum;  /* of the first summed bytes */
	uint64_t summed;
	bool fresh;     /* do not ask for a range */
	bool inherited; /* has bytes of an earlier run or another mirror */
	/* of one try */
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	unsigned redirects;
	uint64_t started_at; /* bytes that the file had */
	bool ranged, judged;
	bool paused; /* by rate_allows() */
	size_t head_bytes, waste;
	bool has_range;
	struct http_range range;
	char etag[HTTP_TAG_MAX], modified[HTTP_TAG_MAX];
	enum verdict verdict; /* of a callback that gave up, with err */
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
	uint64_t told;    /* when progress was called, as clock_ms() */
	uint64_t started; /* as clock_ms() */
	uint64_t counted; /* bytes since then, for the rate */
};

/* --- rate.c --- */

/* May it take len bytes more now? Counts them if so, else it is to pause. */
bool rate_allows(struct fetch *f, size_t len);
/* Lets those go on that paused, if it is time. true: some still wait. */
bool rate_resume(struct fetch *f);

/* What the file has; E_IO. */
MUST_CHECK int transfer_open(struct transfer *t, struct err *err);
/* The file may be whole already: T_DONE then, else it is emptied. */
MUST_CHECK int transfer_check(struct transfer *t, struct err *err);
/* Starts a try at t->url. */
MUST_CHECK int transfer_start(struct transfer *t, struct err *err);
/* After its handle was done with rc: out of multi; the verdict, with t->err unless it is good. */
enum verdict transfer_end(struct transfer *t, CURLcode rc);
void transfer_release(struct transfer *t);
/* Empties the file. */
MUST_CHECK int transfer_rewind(struct transfer *t, struct err *err);
/* At the first byte of an answer's body, or its end: is it what was asked for? -1: t->verdict and
 * t->err say why not. */
MUST_CHECK int transfer_judge(struct transfer *t);

/* --- verdict.c --- */

enum verdict verdict_of(struct transfer *t, CURLcode rc);
