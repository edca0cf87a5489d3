// SPDX-License-Identifier: Apache-2.0
/*
 * The exchanges of a client run one after the other on one multi handle of libcurl, which keeps the
 * connections and can wait for other fds too.
 */

#include "http/exchange.h"

#include "base/interrupt.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/http-internal.h"

#include <string.h>

enum { IDLE = 20, PROBE = 5, CONNECTIONS_KEPT = 2, WAIT_MS = 1000 };

struct http_client {
	CURLM *multi;
	CURL *easy;
};

/* One exchange while it runs. */
struct running {
	struct http_exchange *x;
	CURL *easy;
	struct curl_slist *headers;
	size_t head_bytes;
	struct err err; /* set by a callback that ended the exchange */
	char text[CURL_ERROR_SIZE];
};

struct http_client *http_client_new(void)
{
	struct http_client *c = NEW(struct http_client);

	http_init();
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (!c->multi || !c->easy)
		bug("libcurl has no memory");
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	(void)curl_multi_cleanup(c->multi);
	free(c);
}

/* --- callbacks --- */

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct running *r = arg;

	len *= one;
	r->head_bytes += len;
	if (r->head_bytes <= HTTP_EXCHANGE_HEAD_MAX)
		return len;
	(void)err_set(&r->err, E_LIMIT, "the headers of the answer do not end");
	(void)line;
	return 0;
}

static size_t on_data(char *data, size_t one, size_t len, void *arg)
{
	struct running *r = arg;
	struct http_exchange *x = r->x;

	len *= one;
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &x->status);
	if (x->take && x->status / 100 == 2)
		return x->take(x->arg, data, len, &r->err) < 0 ? 0 : len;
	buf_add(x->body, data, len);
	return buf_check(x->body, "the answer", &r->err) < 0 ? 0 : len;
}

static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct running *r = arg;

	(void)to, (void)from, (void)to_port, (void)from_port;
	r->x->reached = true;
	return CURL_PREREQFUNC_OK;
}

/* --- before --- */

#define SET(option, value)                                                       \
	do {                                                                     \
		CURLcode rc_ = curl_easy_setopt(r->easy, option, value);         \
		if (rc_ != CURLE_OK)                                             \
			return err_set(err, E_USAGE, "libcurl: " #option ": %s", \
				       curl_easy_strerror(rc_));                 \
	} while (0)

static int set_blob(struct running *r, CURLoption option, const char *pem, struct err *err)
{
	struct curl_blob blob = { (void *)(uintptr_t)pem, pem ? strlen(pem) : 0, CURL_BLOB_COPY };

	if (pem)
		SET(option, &blob);
	return 0;
}

static int set_trust(struct running *r, const struct http_trust *trust, struct err *err)
{
	if (http_is_secure(r->x->url) && str_empty(trust->ca_pem))
		return err_set(err, E_USAGE, "no certificate authority is given for %s", r->x->url);
	if (!trust->cert_pem != !trust->key_pem)
		return err_set(err, E_USAGE, "a client certificate needs its key");
	/* Ignore the files and directories of the system. */
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSLCERTTYPE, "PEM");
	SET(CURLOPT_SSLKEYTYPE, "PEM");
	SET(CURLOPT_PROXY, trust->proxy ? trust->proxy : "");
	SET(CURLOPT_NOPROXY, ""); /* else NO_PROXY of the environment bypasses it */
	if (set_blob(r, CURLOPT_CAINFO_BLOB, trust->ca_pem, err) < 0 ||
	    set_blob(r, CURLOPT_PROXY_CAINFO_BLOB, trust->ca_pem, err) < 0 ||
	    set_blob(r, CURLOPT_SSLCERT_BLOB, trust->cert_pem, err) < 0 ||
	    set_blob(r, CURLOPT_SSLKEY_BLOB, trust->key_pem, err) < 0)
		return -1;
	return 0;
}

static int set_request(struct running *r, struct err *err)
{
	const struct http_exchange *x = r->x;
	int left = deadline_left(x->deadline);

	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "kata-deploy/" KATA_VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, (long)HTTP_EXCHANGE_CONNECT);
	SET(CURLOPT_TIMEOUT_MS, left < 0 ? 0L : left ? (long)left : 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, (long)IDLE);
	SET(CURLOPT_TCP_KEEPINTVL, (long)PROBE);
	if (x->stall) {
		SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
		SET(CURLOPT_LOW_SPEED_TIME, (long)x->stall);
	}
	if (x->request) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->len);
		SET(CURLOPT_POSTFIELDS, x->request);
	}
	SET(CURLOPT_CUSTOMREQUEST, x->method);
	return 0;
}

static int set_headers(struct running *r, struct err *err)
{
	/* libcurl would wait for an interim answer before it sends a long body. */
	static const char *const always[] = { "Expect:", NULL };
	const char *const *lists[] = { always, r->x->headers };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		for (const char *const *h = lists[i]; h && *h; h++) {
			struct curl_slist *more = curl_slist_append(r->headers, *h);

			if (!more)
				return err_set(err, E_FAILED, "libcurl: out of memory");
			r->headers = more;
		}
	}
	SET(CURLOPT_HTTPHEADER, r->headers);
	return 0;
}

static int set_callbacks(struct running *r, struct err *err)
{
	SET(CURLOPT_PRIVATE, r);
	SET(CURLOPT_ERRORBUFFER, r->text);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, r);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, r);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, r);
	return 0;
}

/* --- the exchange --- */

static int failed(const struct running *r, CURLcode rc, struct err *err)
{
	const char *text = *r->text ? r->text : curl_easy_strerror(rc);

	if (r->err.code != E_OK)
		return err_set_at(err, r->err.code, r->err.sys, r->err.where, "%s", r->err.msg);
	switch ((int)rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, E_TIMEOUT, "%s", text);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return err_set(err, E_TRUST, "%s", text);
	case CURLE_URL_MALFORMAT:
		return err_set(err, E_USAGE, "%s", text);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return err_set(err, E_PROTOCOL, "%s", text);
	default:
		return err_set(err, E_GONE, "%s", text);
	}
}

/* Runs the handle to its end. */
static int run(struct http_client *c, struct running *r, struct err *err)
{
	struct curl_waitfd others[2] = { { .fd = -1 } };
	int interrupted = interrupt_fd(), left, running = 1;
	unsigned n = 0;
	CURLMsg *m;

	if (r->x->cancel > 0)
		others[n++] = (struct curl_waitfd){ r->x->cancel, CURL_WAIT_POLLIN, 0 };
	if (interrupted >= 0)
		others[n++] = (struct curl_waitfd){ interrupted, CURL_WAIT_POLLIN, 0 };
	for (;;) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			return err_set(err, E_FAILED, "libcurl cannot go on");
		if (!running)
			break;
		if (curl_multi_poll(c->multi, others, n, WAIT_MS, NULL) != CURLM_OK)
			return err_set(err, E_FAILED, "libcurl cannot wait");
		for (unsigned i = 0; i < n; i++) {
			if (others[i].revents)
				return err_set(err, E_CANCELLED, "the request was given up");
		}
	}
	m = curl_multi_info_read(c->multi, &left);
	if (!m || m->msg != CURLMSG_DONE)
		return err_set(err, E_FAILED, "libcurl lost a transfer");
	return m->data.result == CURLE_OK ? 0 : failed(r, m->data.result, err);
}

static int set_up(struct running *r, const struct http_trust *trust, struct err *err)
{
	if (set_request(r, err) < 0 || set_trust(r, trust, err) < 0 || set_headers(r, err) < 0 ||
	    set_callbacks(r, err) < 0)
		return -1;
	return 0;
}

static void note_answer(struct running *r)
{
	curl_off_t wait = 0;

	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->x->status);
	(void)curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &wait);
	r->x->retry_after = wait < 0 ? 0 : wait > UINT16_MAX ? UINT16_MAX : (unsigned)wait;
}

int http_exchange(struct http_client *c, const struct http_trust *trust, struct http_exchange *x,
		  struct err *err)
{
	struct running r = { .x = x, .easy = c->easy };
	int rc;

	x->status = 0;
	x->retry_after = 0;
	x->reached = false;
	curl_easy_reset(c->easy);
	rc = set_up(&r, trust, err);
	if (rc == 0 && curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
		rc = err_set(err, E_FAILED, "libcurl does not take a transfer");
	if (rc == 0) {
		rc = run(c, &r, err);
		note_answer(&r);
		(void)curl_multi_remove_handle(c->multi, c->easy);
	}
	curl_slist_free_all(r.headers);
	return rc;
}
