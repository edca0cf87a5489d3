// SPDX-License-Identifier: Apache-2.0
/* The client, and single objects. */

#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/utc.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

enum { CONFLICTS_MAX = 50 };

int kube_open(const struct kube_options *o, struct kube **to, struct err *err)
{
	AUTO(access) struct access a = { 0 };
	struct kube *k;
	int rc;

	if (o->kubeconfig)
		rc = access_read_config(o->kubeconfig, o->context, &a, err);
	else
		rc = access_in_cluster(o->account ? o->account : KUBE_ACCOUNT, &a, err);
	if (rc < 0 || access_refresh(&a, true, err) < 0)
		return -1;
	k = NEW(struct kube);
	k->access = a;
	a = (struct access){ 0 };
	k->http = http_client_new();
	k->pause_ms = o->pause_ms ? o->pause_ms : KUBE_PAUSE_MS;
	k->cancel = o->cancel;
	*to = k;
	return 0;
}

struct kube *kube_clone(const struct kube *k)
{
	struct kube *other = NEW(struct kube);

	other->http = http_client_new();
	other->pause_ms = k->pause_ms;
	other->cancel = k->cancel;
	access_copy(&k->access, &other->access);
	return other;
}

void kube_free(struct kube *k)
{
	if (!k)
		return;
	http_client_free(k->http);
	access_release(&k->access);
	free(k);
}

const char *kube_server(const struct kube *k)
{
	return k->access.server;
}

const char *kube_namespace(const struct kube *k)
{
	return k->access.space;
}

uint64_t kube_requests(const struct kube *k)
{
	return k->requests;
}

/* --- verbs --- */

struct json *kube_get(struct kube *k, const char *path, struct deadline deadline, struct err *err)
{
	struct call c = {
		.method = "GET", .path = path, .most = KUBE_OBJECT_MAX, .deadline = deadline
	};

	return call_json(k, &c, err);
}

static struct json *send(struct kube *k, const char *method, const char *path, const char *type,
			 const struct json *body, struct deadline deadline, struct err *err)
{
	AUTO(str) char *text = json_format(body, false);
	struct call c = { .method = method,
			  .path = path,
			  .type = type,
			  .body = text,
			  .most = KUBE_OBJECT_MAX,
			  .deadline = deadline };

	return call_json(k, &c, err);
}

struct json *kube_create(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err)
{
	if (!kube_meta(object, "name"))
		bug("an object without a name: a repeated request would make two");
	return send(k, "POST", path, "application/json", object, deadline, err);
}

struct json *kube_update(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err)
{
	if (!kube_meta(object, "resourceVersion"))
		bug("an object without a version: it would replace whatever is there");
	return send(k, "PUT", path, "application/json", object, deadline, err);
}

struct json *kube_patch(struct kube *k, const char *path, enum kube_patch kind,
			const struct json *patch, struct deadline deadline, struct err *err)
{
	return send(k, "PATCH", path,
		    kind == KUBE_MERGE ? "application/merge-patch+json"
				       : "application/strategic-merge-patch+json",
		    patch, deadline, err);
}

/* Makes the server apply the patch to this version only. */
static void pin_version(struct json *patch, const char *version)
{
	struct json *meta = json_get(patch, "metadata");

	if (!meta) {
		meta = json_make_object();
		json_put(patch, "metadata", meta);
	}
	json_put(meta, "resourceVersion", json_make_string(version));
}

struct json *kube_change(struct kube *k, const char *path, const char *sub, kube_make_patch make,
			 void *arg, struct deadline deadline, struct err *err)
{
	AUTO(str) char *target = str_fmt("%s%s", path, sub);

	for (unsigned i = 1; i < CONFLICTS_MAX; i++) {
		AUTO(json) struct json *object = kube_get(k, path, deadline, err), *patch = NULL;
		struct json *after;
		const char *version;

		if (!object)
			return NULL;
		patch = make(arg, object, err);
		if (!patch)
			return err->code == E_OK ? STEAL(object, NULL) : NULL;
		version = kube_meta(object, "resourceVersion");
		if (!version) {
			err_set(err, E_PROTOCOL, "GET %s: the object has no version", path);
			return NULL;
		}
		pin_version(patch, version);
		after = kube_patch(k, target, KUBE_MERGE, patch, deadline, err);
		if (after || err->code != E_STATE)
			return after;
		if (deadline_passed(deadline))
			return NULL;
		err_clear(err);
		/* Others write the object too: pause longer after each conflict but the first
		 * ones. */
		if (kube_pause(k, call_pause(k, i < 4 ? 1 : i - 3), err) < 0)
			return NULL;
	}
	err_set(err, E_STATE, "%s changes all the time", path);
	return NULL;
}

int kube_delete(struct kube *k, const char *path, const struct kube_precondition *is,
		struct deadline deadline, struct err *err)
{
	AUTO(json) struct json *options = json_make_object(), *answer = NULL;
	struct json *pre = json_make_object();

	json_put(options, "kind", json_make_string("DeleteOptions"));
	json_put(options, "apiVersion", json_make_string("v1"));
	if (is && is->uid)
		json_put(pre, "uid", json_make_string(is->uid));
	if (is && is->version)
		json_put(pre, "resourceVersion", json_make_string(is->version));
	json_put(options, "preconditions", pre);
	answer = send(k, "DELETE", path, "application/json", options, deadline, err);
	return answer ? 0 : -1;
}

/* --- helpers --- */

void escape(struct buf *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_' || c == '.' || c == '~')
			buf_chr(to, (char)c);
		else
			buf_fmt(to, "%%%02X", c);
	}
}

char *kube_path(const char *first, ...)
{
	struct buf path = BUF_INIT(KUBE_PATH_MAX);
	va_list ap;

	va_start(ap, first);
	for (const char *part = first; part; part = va_arg(ap, const char *)) {
		buf_chr(&path, '/');
		/* "." and ".." would lead to another object. */
		if (str_eq(part, ".") || str_eq(part, ".."))
			bug("'%s' as a part of a path", part);
		escape(&path, part);
	}
	va_end(ap);
	return buf_steal(&path);
}

static const struct json *member(const struct json *object, const char *key)
{
	const struct json *j = object && json_kind(object) == JSON_IS_OBJECT ? json_get(object, key)
									     : NULL;

	return j && json_kind(j) == JSON_IS_OBJECT ? j : NULL;
}

const char *kube_meta(const struct json *object, const char *name)
{
	const struct json *meta = member(object, "metadata");

	return meta ? json_get_text(meta, name) : NULL;
}

const char *kube_meta_of(const struct json *object, const char *map, const char *key)
{
	const struct json *m = member(member(object, "metadata"), map);

	return m ? json_get_text(m, key) : NULL;
}

void kube_now(bool micro, char text[KUBE_TIME_SIZE])
{
	char day[UTC_SIZE];
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	utc_print((uint64_t)now.tv_sec, day);
	if (micro)
		(void)str_print(text, KUBE_TIME_SIZE, "%s.%06ldZ", day, now.tv_nsec / 1000);
	else
		(void)str_print(text, KUBE_TIME_SIZE, "%sZ", day);
}

static bool is_plain(char c, bool upper)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z');
}

static bool is_name(const char *name, size_t most, const char *inside, bool upper)
{
	size_t len = strlen(name);

	if (len > most || !len || !is_plain(name[0], upper) || !is_plain(name[len - 1], upper))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_plain(name[i], upper) && !strchr(inside, name[i]))
			return false;
		if (!upper && name[i] == '.' && !is_plain(name[i + 1], upper))
			return false;
	}
	return true;
}

int kube_check_name(const char *name, const char *what, struct err *err)
{
	if (is_name(name, 253, "-.", false))
		return 0;
	return err_set(
		err, E_USAGE,
		"%s '%.64s' is no name: up to 253 of a-z, 0-9, '-' and '.', with a letter or "
		"digit at both ends",
		what, name);
}

int kube_check_label(const char *value, const char *what, struct err *err)
{
	if (is_name(value, 63, "-._", true))
		return 0;
	return err_set(err, E_USAGE,
		       "%s '%.64s' cannot be a label: up to 63 letters, digits, '-', '_' and '.', "
		       "with a letter or digit at both ends",
		       what, value);
}
