// SPDX-License-Identifier: Apache-2.0
/* Makes a request, and repeats it while another try may help. */

#include "kube/kube-internal.h"

#include "base/interrupt.h"
#include "base/mem.h"
#include "base/str.h"

#include <poll.h>
#include <string.h>
#include <sys/random.h>

enum { AGAIN_MAX = 1000, WORDS = 300 };

/* --- pauses --- */

unsigned kube_jitter(unsigned ms)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return ms - random % (ms / 2 + 1);
}

unsigned call_pause(const struct kube *k, unsigned failures)
{
	unsigned pause = k->pause_ms;

	while (failures-- > 1 && pause < KUBE_PAUSE_MAX)
		pause *= 2;
	return kube_jitter(pause < KUBE_PAUSE_MAX ? pause : KUBE_PAUSE_MAX);
}

int call_sleep(const struct kube *k, unsigned ms, struct err *err)
{
	struct deadline deadline = deadline_in(ms);

	do {
		struct pollfd wait[] = { { interrupt_fd(), POLLIN, 0 },
					 { k->cancel > 0 ? k->cancel : -1, POLLIN, 0 } };

		if (poll(wait, 2, deadline_left(deadline)) > 0)
			return err_set(err, E_CANCELLED, "the request was given up");
	} while (!deadline_passed(deadline));
	return 0;
}

int kube_pause(const struct kube *k, unsigned ms, struct err *err)
{
	return call_sleep(k, kube_jitter(ms), err);
}

/* --- answers --- */

/* The message of a Status, without control characters; if the body is not one, the HTTP status. */
static void explain(const struct call *c, const char *body, size_t len, char words[WORDS])
{
	struct err ignored = ERR_INIT, clean = ERR_INIT;
	AUTO(json) struct json *j = json_parse(body, len, "status", &ignored);
	const char *text = NULL;

	if (j && str_eq(json_get_text(j, "kind"), "Status"))
		text = json_get_text(j, "message");
	if (str_empty(text)) {
		(void)str_print(words, WORDS, "the server answers %ld", c->status);
		return;
	}
	(void)err_take(&clean, E_FAILED, 0, "", text);
	(void)str_print(words, WORDS, "%s", clean.msg);
}

static enum err_code code_of(const struct call *c, const char *body, size_t len)
{
	struct err ignored = ERR_INIT;
	AUTO(json) struct json *j = NULL;

	switch (c->status) {
	case 400:
	case 405:
	case 406:
	case 415:
	case 422:
		return E_INVALID;
	case 401:
	case 403:
		return E_PERMISSION;
	case 404:
		return E_NOT_FOUND;
	case 409:
		j = json_parse(body, len, "status", &ignored);
		return j && str_eq(json_get_text(j, "reason"), "AlreadyExists") ? E_EXISTS
										: E_STATE;
	case 410:
	case 412:
		return E_STATE;
	case 413:
		return E_LIMIT;
	default:
		return c->status == 429 || c->status >= 500 ? E_GONE : E_PROTOCOL;
	}
}

int call_refused(const struct call *c, const char *body, size_t len, struct err *err)
{
	char words[WORDS];

	explain(c, body, len, words);
	(void)err_set(err, code_of(c, body, len), "%s", words);
	if (c->status == 401)
		return err_hint(err, "the server does not know the token or the certificate");
	if (c->status == 403)
		return err_hint(err, "the account lacks that right");
	return -1;
}

/* --- tries --- */

/* True for a status after which the request may succeed later. */
static bool is_temporary(long status)
{
	return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

unsigned call_pause_after(const struct kube *k, unsigned retry_after, unsigned failures)
{
	unsigned pause = call_pause(k, failures);

	if (!retry_after)
		return pause;
	/* A random part, so that not all clients return at the same moment. */
	return (retry_after > KUBE_PAUSE_MAX / 1000 ? KUBE_PAUSE_MAX : retry_after * 1000) +
	       pause / 4;
}

static int try(struct kube *k, struct call *c, struct buf *body, struct http_exchange *x,
	       struct err *err)
{
	AUTO(str)
	char *url = str_fmt("%s%s", k->access.server, c->path), *who = NULL, *type = NULL,
	     *accept = NULL;
	const struct http_trust trust = { .ca_pem = k->access.ca.text,
					  .cert_pem = k->access.cert.text,
					  .key_pem = k->access.key.text,
					  .proxy = k->access.proxy };
	const char *headers[4];
	size_t n = 0;
	int rc;

	accept = str_fmt("Accept: %s", c->accept ? c->accept : "application/json");
	headers[n++] = accept;
	if (k->access.token.text)
		headers[n++] = who = str_fmt("Authorization: Bearer %s", k->access.token.text);
	if (c->body)
		headers[n++] = type = str_fmt("Content-Type: %s", c->type);
	headers[n] = NULL;
	buf_clear(body);
	body->max = c->most;
	*x = (struct http_exchange){
		.method = c->method,
		.url = url,
		.headers = headers,
		.request = c->body,
		.len = c->body ? strlen(c->body) : 0,
		.deadline = c->once ? c->deadline
				    : deadline_min(c->deadline, deadline_in(KUBE_TRY_MS)),
		.cancel = k->cancel,
		.body = body,
		.take = c->take,
		.arg = c->arg,
	};
	k->requests++;
	rc = http_exchange(k->http, &trust, x, err);
	c->status = x->status;
	c->retry_after = is_temporary(x->status) ? x->retry_after : 0;
	if (who)
		explicit_bzero(who, strlen(who));
	return rc;
}

/* Milliseconds to wait before the request is repeated, or -1 if it is not repeated. *renewed is set
 * when the credentials were read again because of this request. */
static int64_t again(struct kube *k, const struct call *c, const struct err *why, unsigned failures,
		     bool *renewed)
{
	struct err ignored = ERR_INIT;
	bool doubted = c->status == 401 || why->code == E_TRUST;

	if (doubted && !*renewed) {
		*renewed = true;
		/* A file that cannot be read was reported before the first try. */
		return access_refresh(&k->access, true, &ignored) == 0 ? 0 : -1;
	}
	if (c->once)
		return -1;
	if (why->code != E_GONE && why->code != E_TIMEOUT)
		return -1;
	return call_pause_after(k, c->retry_after, failures);
}

static char *shown(const struct call *c)
{
	return str_fmt("%s %.*s", c->method, (int)strcspn(c->path, "?"), c->path);
}

int call_run(struct kube *k, struct call *c, struct buf *body, struct err *err)
{
	AUTO(str) char *name = shown(c);
	bool renewed = false;

	if (strlen(c->path) > KUBE_PATH_MAX)
		return err_set(err, E_LIMIT, "a path of %zu bytes", strlen(c->path));
	if (access_refresh(&k->access, false, err) < 0)
		return -1;
	for (unsigned failures = 1; failures < AGAIN_MAX; failures++) {
		struct err why = ERR_INIT;
		struct http_exchange x;
		int64_t pause;

		if (try(k, c, body, &x, &why) == 0 && c->status / 100 == 2)
			return 0;
		if (why.code == E_OK)
			(void)call_refused(c, buf_cstr(body), body->len, &why);
		pause = again(k, c, &why, failures, &renewed);
		if (pause < 0 || deadline_passed(c->deadline) ||
		    (deadline_left(c->deadline) >= 0 && pause >= deadline_left(c->deadline))) {
			(void)err_set_at(err, why.code, why.sys, why.where, "%s", why.msg);
			return err_wrap(err, "%s", name);
		}
		if (call_sleep(k, (unsigned)pause, err) < 0)
			return err_wrap(err, "%s", name);
	}
	return err_set(err, E_GONE, "%s: no answer", name);
}

struct json *call_json(struct kube *k, struct call *c, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(c->most);
	AUTO(str) char *name = shown(c);
	struct json *j;

	if (call_run(k, c, &body, err) < 0)
		return NULL;
	j = json_parse(buf_cstr(&body), body.len, "answer", err);
	if (j && json_kind(j) != JSON_IS_OBJECT) {
		json_free(j);
		j = NULL;
		err_set(err, E_INVALID, "not an object");
	}
	if (!j) {
		err->code = E_PROTOCOL;
		err_wrap(err, "%s", name);
	}
	return j;
}
