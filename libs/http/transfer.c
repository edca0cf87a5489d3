// SPDX-License-Identifier: Apache-2.0
/*
 * One try to fetch one file. Every byte is counted before it is written: libcurl's own limit does
 * not apply to answers without a length.
 */

#include "http/http-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_MAX = 256 << 10, WASTE_MAX = 64 << 10, CHUNK = 128 << 10 };

static int give_up(struct transfer *t, enum verdict v)
{
	t->verdict = v;
	return -1;
}

/* --- the file --- */

int transfer_open(struct transfer *t, struct err *err)
{
	struct stat st;

	if (t->job->to)
		return 0;
	if (fstat(t->job->fd, &st) < 0)
		return err_sys(err, "read the state of the file for %s", t->job->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_USAGE, "the file for %s is not a regular file; remove it",
			       t->job->path);
	t->at = (uint64_t)st.st_size;
	t->inherited = t->at > 0;
	if (t->at > t->job->size || !t->job->sha256)
		return transfer_rewind(t, err);
	return 0;
}

int transfer_rewind(struct transfer *t, struct err *err)
{
	if (t->job->to)
		buf_clear(t->job->to);
	else if (ftruncate(t->job->fd, 0) < 0)
		return err_sys(err, "empty the file for %s", t->job->path);
	sha256_free(t->sum);
	t->sum = NULL;
	t->at = t->summed = 0;
	t->inherited = false;
	return 0;
}

/* Hashes the bytes of the file that are not hashed yet. */
static int hash_rest(struct transfer *t, struct err *err)
{
	AUTO(mem) char *chunk = NULL;

	if (!t->job->sha256)
		return 0;
	if (!t->sum)
		t->sum = sha256_new();
	while (t->summed < t->at) {
		uint64_t left = t->at - t->summed;
		ssize_t n;

		if (!chunk)
			chunk = xmalloc(CHUNK);
		n = pread(t->job->fd, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)t->summed);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "read the existing part of %s", t->job->path);
		sha256_add(t->sum, chunk, (size_t)n);
		t->summed += (uint64_t)n;
	}
	return 0;
}

int transfer_check(struct transfer *t, struct err *err)
{
	char hex[65];

	if (!t->job->sha256 || t->job->to)
		return transfer_rewind(t, err);
	if (hash_rest(t, err) < 0)
		return -1;
	sha256_end(t->sum, hex);
	if (!str_eq(hex, t->job->sha256))
		return transfer_rewind(t, err);
	t->state = T_DONE;
	return 0;
}

static int put(struct transfer *t, const char *data, size_t len)
{
	size_t done = 0;

	while (t->job->fd >= 0 && !t->job->to && done < len) {
		ssize_t n = pwrite(t->job->fd, data + done, len - done, (off_t)(t->at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)err_sys(&t->err, "write %s", t->job->path);
			return give_up(t, V_FATAL);
		}
		done += (size_t)n;
	}
	if (t->job->to)
		buf_add(t->job->to, data, len);
	if (t->sum && t->summed == t->at) {
		sha256_add(t->sum, data, len);
		t->summed += len;
	}
	t->at += len;
	t->job->received += len;
	return 0;
}

/* --- callbacks --- */

/* One try can have several answers: of a proxy, 1xx, of the server. The last one counts. */
static void new_answer(struct transfer *t)
{
	t->has_range = false;
	t->etag[0] = t->modified[0] = '\0';
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	const char *value;
	size_t n;

	len *= one;
	t->head_bytes += len;
	if (t->head_bytes > HEAD_MAX) {
		(void)err_set(&t->err, E_LIMIT, "the server's headers do not end");
		t->verdict = V_ELSEWHERE;
		return 0;
	}
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		t->answered = true;
		new_answer(t);
	} else if (http_field(line, len, "content-range", &value, &n))
		t->has_range = http_range_parse(value, n, &t->range);
	else if (http_field(line, len, "etag", &value, &n))
		(void)http_tag_parse(value, n, t->etag);
	else if (http_field(line, len, "last-modified", &value, &n))
		(void)http_tag_parse(value, n, t->modified);
	return len;
}

static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct transfer *t = arg;

	(void)to, (void)from, (void)to_port, (void)from_port;
	t->f->news = t->f->news || !t->mirror->reached;
	t->mirror->reached = true;
	return CURL_PREREQFUNC_OK;
}

static int keep(struct transfer *t, const char *data, size_t len)
{
	uint64_t most = t->job->size == UINT64_MAX ? t->job->limit : t->job->size;

	if (len > most - t->at) {
		(void)err_set(&t->err, E_LIMIT, "more than the allowed %llu bytes",
			      (unsigned long long)most);
		return give_up(t, V_ELSEWHERE);
	}
	return put(t, data, len);
}

static size_t on_data(char *data, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	long status = 0;

	len *= one;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && status != 206) {
		t->waste += len; /* the text of an error or a redirect */
		return t->waste > WASTE_MAX ? 0 : len;
	}
	if (!t->judged && transfer_judge(t) < 0)
		return 0;
	if (!rate_allows(t->f, len)) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return keep(t, data, len) < 0 ? 0 : len;
}

/* --- a try --- */

#define SET(option, value)                                                               \
	do {                                                                             \
		CURLcode set_ = curl_easy_setopt(t->easy, (option), (value));            \
		if (set_ != CURLE_OK)                                                    \
			return err_set(err, E_FAILED, "libcurl does not know " #option); \
	} while (0)

static int set_limits(struct transfer *t, struct err *err)
{
	const struct http_options *o = t->f->o;
	long stall = o->stall ? (long)o->stall : HTTP_STALL;

	SET(CURLOPT_CONNECTTIMEOUT, stall < HTTP_CONNECT ? stall : (long)HTTP_CONNECT);
	SET(CURLOPT_LOW_SPEED_TIME, stall);
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOWEST);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L); /* handled in verdict.c */
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Without TLS nothing is multiplexed, but libcurl would wait for the first transfer to find
	 * out. */
	SET(CURLOPT_PIPEWAIT, http_is_secure(t->url) ? 1L : 0L);
	return 0;
}

static int set_peer(struct transfer *t, struct err *err)
{
	const struct http_options *o = t->f->o;

	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_USERAGENT, "kata-deploy/" KATA_VERSION);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (o->proxy)
		SET(CURLOPT_PROXY, o->proxy);
	if (o->ca_pem) {
		struct curl_blob pem = { (void *)(uintptr_t)o->ca_pem, strlen(o->ca_pem), 0 };

		SET(CURLOPT_CAINFO_BLOB, &pem);
		SET(CURLOPT_PROXY_CAINFO_BLOB, &pem);
	} else if (o->cacert) {
		SET(CURLOPT_CAINFO, o->cacert);
		SET(CURLOPT_PROXY_CAINFO, o->cacert);
	}
	return 0;
}

static int set_range(struct transfer *t, struct err *err)
{
	char from[32];

	/* The digest notices a mixture of two files, the tag if there is no digest. */
	t->ranged = t->at > 0 && !t->fresh && (t->job->sha256 || *t->tag);
	if (!t->ranged)
		return 0;
	(void)str_print(from, sizeof(from), "%llu-", (unsigned long long)t->at);
	SET(CURLOPT_RANGE, from);
	if (!t->job->sha256) {
		AUTO(str) char *line = str_fmt("If-Range: %s", t->tag);

		t->headers = curl_slist_append(NULL, line);
		SET(CURLOPT_HTTPHEADER, t->headers);
	}
	return 0;
}

static int set_callbacks(struct transfer *t, struct err *err)
{
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->text);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, t);
	return 0;
}

int transfer_start(struct transfer *t, struct err *err)
{
	t->judged = t->paused = t->has_range = t->answered = false;
	t->head_bytes = t->waste = 0;
	t->text[0] = '\0';
	err_clear(&t->err);
	new_answer(t);
	if ((t->job->to && transfer_rewind(t, err) < 0) || hash_rest(t, err) < 0)
		return -1;
	t->started_at = t->at;
	t->easy = curl_easy_init();
	if (!t->easy)
		return err_set(err, E_FAILED, "libcurl has no memory");
	if (set_limits(t, err) < 0 || set_peer(t, err) < 0 || set_range(t, err) < 0 ||
	    set_callbacks(t, err) < 0)
		return -1;
	if (curl_multi_add_handle(t->f->multi, t->easy) != CURLM_OK)
		return err_set(err, E_FAILED, "libcurl does not take a transfer");
	t->state = T_RUNNING;
	t->mirror->running++;
	t->f->running++;
	return 0;
}

static void drop_handle(struct transfer *t)
{
	if (t->easy) {
		(void)curl_multi_remove_handle(t->f->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->headers);
	t->easy = NULL;
	t->headers = NULL;
}

enum verdict transfer_end(struct transfer *t, CURLcode rc)
{
	enum verdict v = verdict_of(t, rc);

	drop_handle(t);
	t->state = T_WAITING;
	t->mirror->running--;
	t->f->running--;
	return v;
}

void transfer_release(struct transfer *t)
{
	drop_handle(t);
	sha256_free(t->sum);
	free(t->url);
	for (size_t i = 0; t->why && i < t->f->nmirrors; i++)
		free(t->why[i]);
	free(t->why);
	t->sum = NULL;
	t->url = NULL;
	t->why = NULL;
}
