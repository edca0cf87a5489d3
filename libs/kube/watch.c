// SPDX-License-Identifier: Apache-2.0
/*
 * A watch is a list, then streams of lines, each of which continues where the one before it ended:
 *
 *	the stream ends				a new stream after the last version
 *	it is cut, or refused with 429 or 5xx	the same, after a pause
 *	410, as status or as an event		a new list
 *	anything else				the watch fails
 */

#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { STREAM_S = 300, GRACE_MS = 30000 };

struct watching {
	kube_event_fn fn;
	void *arg;
	char version[KUBE_VERSION_MAX];
	struct buf line;
	unsigned retry_after; /* of the last stream */
	bool enough;          /* fn returned 1 */
	bool expired;         /* the server no longer knows the version (410) */
	bool heard;           /* the stream had an event */
	bool worked;          /* a stream since the last list had one other than 410 */
	bool failed;          /* fn returned -1: the error is not the stream's */
};

static const struct {
	const char *type;
	enum watch_kind kind;
	enum kube_event event;
} types[] = {
	{ "ADDED", WATCH_FOUND, KUBE_FOUND },
	{ "MODIFIED", WATCH_CHANGED, KUBE_CHANGED },
	{ "DELETED", WATCH_REMOVED, KUBE_REMOVED },
	{ "BOOKMARK", WATCH_BOOKMARK, KUBE_SYNCED },
};

/* The object of an event ERROR is a Status. */
static int take_error(const struct json *status, enum watch_kind *kind, struct err *err)
{
	const struct json *code = json_get(status, "code");
	const char *text = json_get_text(status, "message");
	struct err clean = ERR_INIT;

	*kind = WATCH_EXPIRED;
	if (code && json_kind(code) == JSON_IS_INT && json_int(code) == 410)
		return 0;
	(void)err_take(&clean, E_GONE, 0, "", text ? text : "no reason is given");
	return err_set(err, E_GONE, "the server ends the watch: %.300s", clean.msg);
}

int watch_parse(const char *line, size_t len, enum watch_kind *kind, struct json **doc,
		const struct json **object, char version[KUBE_VERSION_MAX], struct err *err)
{
	const char *type, *at;

	*doc = json_parse(line, len, "event", err);
	if (!*doc) {
		err->code = E_PROTOCOL;
		return -1;
	}
	type = json_get_text(*doc, "type");
	*object = json_kind(*doc) == JSON_IS_OBJECT ? json_get(*doc, "object") : NULL;
	if (!type || !*object || json_kind(*object) != JSON_IS_OBJECT)
		return err_set(err, E_PROTOCOL, "an event without type or object");
	if (str_eq(type, "ERROR"))
		return take_error(*object, kind, err);
	at = kube_meta(*object, "resourceVersion");
	if (str_empty(at) || strlen(at) >= KUBE_VERSION_MAX)
		return err_set(err, E_PROTOCOL, "an event without a version");
	(void)str_print(version, KUBE_VERSION_MAX, "%s", at);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!str_eq(types[i].type, type))
			continue;
		*kind = types[i].kind;
		if (*kind != WATCH_BOOKMARK && !kube_meta(*object, "name"))
			return err_set(err, E_PROTOCOL, "an event of an object without a name");
		return 0;
	}
	return err_set(err, E_PROTOCOL, "an event of the unknown type '%.32s'", type);
}

static enum kube_event event_of(enum watch_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].kind == kind)
			return types[i].event;
	}
	bug("kind of an event");
}

static int take_line(struct watching *w, const char *line, size_t len, struct err *err)
{
	AUTO(json) struct json *doc = NULL;
	const struct json *object = NULL;
	enum watch_kind kind;
	int rc;

	if (watch_parse(line, len, &kind, &doc, &object, w->version, err) < 0)
		return -1;
	w->heard = true;
	w->expired = kind == WATCH_EXPIRED;
	w->worked |= !w->expired;
	if (kind == WATCH_BOOKMARK || kind == WATCH_EXPIRED)
		return 0;
	rc = w->fn(w->arg, event_of(kind), object, err);
	w->enough = rc == 1;
	w->failed = rc < 0;
	return rc;
}

/* Splits the stream into lines. To end the exchange early it returns an error, which follow()
 * ignores. */
static int on_data(void *arg, const char *data, size_t len, struct err *err)
{
	struct watching *w = arg;

	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		int rc = 0;

		buf_add(&w->line, data, n);
		if (buf_check(&w->line, "an event", err) < 0)
			return -1;
		if (!end)
			return 0;
		if (w->line.len)
			rc = take_line(w, buf_cstr(&w->line), w->line.len, err);
		buf_clear(&w->line);
		if (rc < 0)
			return -1;
		if (w->enough || w->expired)
			return err_set(err, E_CANCELLED, "enough");
		data += n + 1;
		len -= n + 1;
	}
	return 0;
}

/* Follows one stream. Returns 0 if it ended in order or was ended by fn or by 410. */
static int follow(struct kube *k, const struct kube_selection *s, struct watching *w,
		  struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf more = BUF_INIT(KUBE_PATH_MAX), body = BUF_INIT(KUBE_OBJECT_MAX);
	AUTO(str) char *path = NULL;
	int left = deadline_left(deadline), rc;
	unsigned seconds = left < 0 || left / 1000 >= STREAM_S ? STREAM_S
							       : (unsigned)left / 1000 + 1;

	buf_fmt(&more,
		"&watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=", seconds);
	escape(&more, w->version);
	path = selection_path(s, buf_cstr(&more), err);
	if (!path)
		return -1;
	struct call c = {
		.method = "GET",
		.path = path,
		.accept = s->metadata
				  ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
				    "application/json"
				  : NULL,
		.most = KUBE_OBJECT_MAX,
		.deadline = deadline_min(deadline, deadline_in(seconds * 1000 + GRACE_MS)),
		.once = true,
		.take = on_data,
		.arg = w,
	};

	buf_clear(&w->line);
	w->expired = w->heard = false;
	rc = call_run(k, &c, &body, err);
	w->retry_after = c.retry_after;
	if (c.status == 410)
		w->expired = true;
	if (rc < 0 && (w->enough || w->expired)) {
		err_clear(err);
		return 0;
	}
	return rc;
}

/* True if a new stream may follow: the connection was cut, or the time-out of the stream has
 * passed. */
static bool may_continue(const struct err *err)
{
	return err->code == E_GONE || err->code == E_TIMEOUT;
}

static int pause_in(const struct kube *k, unsigned retry_after, unsigned failures,
		    struct deadline deadline, struct err *err)
{
	unsigned pause = call_pause_after(k, retry_after, failures);
	int left = deadline_left(deadline);

	return call_sleep(k, left >= 0 && pause > (unsigned)left ? (unsigned)left : pause, err);
}

/* Follows streams until fn has enough or a new list is needed. */
static int follow_all(struct kube *k, const struct kube_selection *s, struct watching *w,
		      struct deadline deadline, struct err *err)
{
	unsigned failures = 0;

	while (!w->enough && !w->expired) {
		struct err why = ERR_INIT;
		int rc = follow(k, s, w, deadline, &why);

		if (deadline_passed(deadline) && !w->enough)
			return err_set(err, E_TIMEOUT, "GET %s: the watch is over", s->path);
		if (rc < 0 && (w->failed || !may_continue(&why)))
			return err_set_at(err, why.code, why.sys, why.where, "%s", why.msg);
		/* The pauses grow too if a server ends streams without an event. */
		failures = w->heard ? 0 : failures + 1;
		if (w->enough || w->expired || (rc == 0 && w->heard))
			continue;
		if (pause_in(k, w->retry_after, failures ? failures : 1, deadline, err) < 0)
			return -1;
	}
	return 0;
}

int kube_watch(struct kube *k, const struct kube_selection *s, kube_event_fn fn, void *arg,
	       struct deadline deadline, struct err *err)
{
	struct watching w = { .fn = fn, .arg = arg, .line = BUF_INIT(KUBE_OBJECT_MAX) };
	unsigned lists = 0;
	int rc = 0;

	while (rc == 0 && !w.enough) {
		/* Do not flood a server that expires versions all the time. */
		if (lists++ && kube_pause(k, call_pause(k, lists > 8 ? 8 : lists), err) < 0) {
			rc = -1;
			break;
		}
		rc = list_all(k, s, fn, arg, w.version, deadline, &w.enough, err);
		w.expired = w.worked = false;
		if (rc == 0 && !w.enough)
			rc = follow_all(k, s, &w, deadline, err);
		if (w.worked)
			lists = 1;
	}
	buf_release(&w.line);
	return rc;
}
