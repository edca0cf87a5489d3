// SPDX-License-Identifier: Apache-2.0
/*
 * The result of a try, from the answer.
 *
 *	requested	answer				result
 *	the whole file	200				the whole file
 *	a range		206, the requested range	the rest of the file
 *	a range		206, another range		retry, the whole file
 *	a range		200 (ignored, or changed)	the whole file, from its start
 *	a range		416				retry, the whole file
 *	any		wrong length			another mirror
 */

#include "http/http-internal.h"

#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <string.h>
#include <strings.h>

static long status_of(struct transfer *t)
{
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static int wrong(struct transfer *t, enum verdict v, enum err_code code, const char *text)
{
	t->verdict = v;
	return err_set(&t->err, code, "%s", text);
}

static int judge_range(struct transfer *t)
{
	const struct http_range *r = &t->range;

	t->fresh = true; /* for the case that the range is wrong; undone below */
	if (!t->ranged || !t->has_range || r->from != t->at ||
	    (t->job->size != UINT64_MAX && r->total != UINT64_MAX && r->total != t->job->size))
		return wrong(t, V_AGAIN, E_PROTOCOL,
			     "the server sent another range than requested");
	if (!t->job->sha256 && *t->etag && t->tag[0] == '"' && !str_eq(t->etag, t->tag))
		return wrong(t, V_RESTART, E_PROTOCOL,
			     "the server sent a range of another version of the file");
	t->fresh = false;
	return 0;
}

static int judge_length(struct transfer *t)
{
	curl_off_t length = -1;
	uint64_t most;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (length < 0)
		return 0;
	most = t->job->size == UINT64_MAX ? t->job->limit : t->job->size;
	if (t->job->size == UINT64_MAX ? (uint64_t)length <= most - t->at
				       : (uint64_t)length == most - t->at)
		return 0;
	t->verdict = V_ELSEWHERE;
	return err_set(&t->err, (uint64_t)length > most - t->at ? E_LIMIT : E_INVALID,
		       "the server has %llu bytes instead of %llu",
		       (unsigned long long)length + t->at, (unsigned long long)most);
}

int transfer_judge(struct transfer *t)
{
	const char *tag = *t->etag ? t->etag : t->modified;
	long status = status_of(t);

	t->judged = true;
	if (status == 206 && judge_range(t) < 0)
		return -1;
	if (status == 200 && transfer_rewind(t, &t->err) < 0) {
		t->verdict = V_FATAL;
		return -1;
	}
	if (status == 200) {
		t->fresh = false;
		t->sum = t->job->sha256 ? sha256_new() : NULL;
	}
	if (judge_length(t) < 0)
		return -1;
	if (status == 200)
		(void)str_print(t->tag, sizeof(t->tag), "%s", tag);
	return 0;
}

/* The answer is complete: checks length and digest. */
static enum verdict of_contents(struct transfer *t)
{
	char hex[65];

	if (!t->judged && transfer_judge(t) < 0)
		return t->verdict;
	if (t->job->size != UINT64_MAX && t->at < t->job->size) {
		(void)err_set(&t->err, E_INVALID, "%llu bytes of %llu", (unsigned long long)t->at,
			      (unsigned long long)t->job->size);
		return V_AGAIN;
	}
	if (!t->job->sha256)
		return V_GOOD;
	sha256_end(t->sum, hex);
	if (str_eq(hex, t->job->sha256))
		return V_GOOD;
	(void)err_set(&t->err, E_INVALID, "its SHA-256 is %s", hex);
	return t->inherited ? V_RESTART : V_ELSEWHERE;
}

static enum verdict of_redirect(struct transfer *t)
{
	char *to = NULL;

	(void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
	if (!to) {
		(void)err_set(&t->err, E_PROTOCOL, "a redirect without a location");
	} else if (t->redirects >= HTTP_REDIRECTS) {
		(void)err_set(&t->err, E_PROTOCOL, "more than %d redirects", HTTP_REDIRECTS);
	} else if (http_is_secure(t->url) && !http_is_secure(to)) {
		(void)err_set(&t->err, E_TRUST, "a redirect away from https is not followed");
	} else if (strncasecmp(to, "http", 4) != 0) {
		(void)err_set(&t->err, E_PROTOCOL, "a redirect to another scheme than http");
	} else {
		AUTO(str) char *from = t->url;

		t->redirects++;
		t->url = http_redirected(from, to);
		return V_REDIRECT;
	}
	return V_ELSEWHERE;
}

static enum verdict of_status(struct transfer *t, long status)
{
	curl_off_t wait = 0;

	if (status == 416 && t->ranged) {
		(void)err_set(&t->err, E_PROTOCOL, "the server has no such range");
		return V_RESTART;
	}
	if (status == 404 || status == 410)
		(void)err_set(&t->err, E_NOT_FOUND, "the server does not have it (%ld)", status);
	else if (status == 401 || status == 403 || status == 407)
		(void)err_set(
			&t->err, E_PERMISSION,
			"the server denies access (%ld); check the server's rules, and user and "
			"password in the URL",
			status);
	else if (status == 408 || status == 429 || status >= 500)
		(void)err_set(&t->err, E_GONE, "the server answers %ld", status);
	else
		(void)err_set(&t->err, E_PROTOCOL, "the server answers %ld", status);
	if (t->err.code != E_GONE)
		return V_ELSEWHERE;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait);
	if (wait > HTTP_PAUSE_MAX)
		wait = HTTP_PAUSE_MAX;
	if (wait > 0)
		t->mirror->not_before = clock_ms() + (uint64_t)wait * 1000;
	return V_AGAIN;
}

/* on_data() does not read more than WASTE_MAX of an error page; the status counts nevertheless. */
static enum verdict of_long_page(struct transfer *t)
{
	long status = status_of(t);

	if (status >= 400)
		return of_status(t, status);
	(void)err_set(&t->err, E_LIMIT, "the text of the server's answer %ld is too long", status);
	return V_ELSEWHERE;
}

static enum verdict of_failure(struct transfer *t, CURLcode rc)
{
	const char *text = *t->text ? t->text : curl_easy_strerror(rc);

	switch ((int)rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		(void)err_set(&t->err, E_TRUST, "%s", text);
		return V_ELSEWHERE;
	case CURLE_SSL_CACERT_BADFILE: /* ours */
		(void)err_set(&t->err, E_TRUST, "%s", text);
		return V_FATAL;
	case CURLE_UNSUPPORTED_PROTOCOL: /* schemes were checked before: the server does not speak
					  * HTTP */
	case CURLE_URL_MALFORMAT:
	case CURLE_WEIRD_SERVER_REPLY:
		(void)err_set(&t->err, E_PROTOCOL, "%s", text);
		return V_ELSEWHERE;
	case CURLE_WRITE_ERROR:
		return of_long_page(t);
	case CURLE_OPERATION_TIMEDOUT:
		(void)err_set(&t->err, E_TIMEOUT, "%s", text);
		return V_AGAIN;
	default:
		(void)err_set(&t->err, E_GONE, "%s", text);
		return V_AGAIN;
	}
}

enum verdict verdict_of(struct transfer *t, CURLcode rc)
{
	long status = status_of(t);

	if (t->err.code != E_OK)
		return t->verdict;
	if (rc != CURLE_OK)
		return of_failure(t, rc);
	if (status == 200 || status == 206)
		return of_contents(t);
	return status >= 300 && status < 400 ? of_redirect(t) : of_status(t, status);
}
