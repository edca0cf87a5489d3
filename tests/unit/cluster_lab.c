// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cluster_lab.h"

#include "base/mem.h"
#include "base/str.h"

#include <check.h>
#include <string.h>

/* --- objects --- */

static struct cluster_object *find(struct cluster *c, const char *path)
{
	vec_each(struct cluster_object, o, &c->objects) {
		if (str_eq(o->path, path))
			return o;
	}
	return NULL;
}

static void drop(struct cluster *c, struct cluster_object *o)
{
	free(o->path);
	json_free(o->object);
	*o = c->objects.v[--c->objects.n];
}

static size_t count(struct cluster *c, const char *text)
{
	size_t n = 0;

	vec_each(struct cluster_object, o, &c->objects)
		n += strstr(o->path, text) != NULL;
	return n;
}

/* The result of a merge patch (RFC 7396). */
static struct json *merged(const struct json *old, const struct json *patch)
{
	bool was_object = old && json_kind(old) == JSON_IS_OBJECT;
	struct json *out;

	if (json_kind(patch) != JSON_IS_OBJECT)
		return json_share(patch);
	out = json_make_object();
	for (void *it = was_object ? json_begin(old) : NULL; it; it = json_after(old, it)) {
		if (!json_get(patch, json_key(it)))
			json_put(out, json_key(it), json_share(json_value(it)));
	}
	for (void *it = json_begin(patch); it; it = json_after(patch, it)) {
		const char *key = json_key(it);

		if (json_kind(json_value(it)) != JSON_IS_NULL)
			json_put(out, key,
				 merged(was_object ? json_get(old, key) : NULL, json_value(it)));
	}
	return out;
}

static bool has_type(const struct json *conditions, const char *type)
{
	for (size_t i = 0; i < json_count(conditions); i++) {
		if (str_eq(json_get_text(json_at(conditions, i), "type"), type))
			return true;
	}
	return false;
}

/* The result of a strategic merge patch, which is one of status.conditions. */
static struct json *with_conditions(const struct json *old, const struct json *patch)
{
	const struct json *was = json_get(json_get(old, "status"), "conditions");
	const struct json *news = json_get(json_get(patch, "status"), "conditions");
	AUTO(json) struct json *change = json_make_object();
	struct json *status = json_make_object(), *list = json_make_array();

	for (size_t i = 0; was && i < json_count(was); i++) {
		const struct json *one = json_at(was, i);

		if (!has_type(news, json_get_text(one, "type")))
			json_add(list, json_share(one));
	}
	for (size_t i = 0; i < json_count(news); i++) {
		if (!json_get(json_at(news, i), "$patch"))
			json_add(list, json_share(json_at(news, i)));
	}
	json_put(status, "conditions", list);
	json_put(change, "status", status);
	return merged(old, change);
}

/* Stores it with a new version; takes it over. */
static void store(struct cluster *c, const char *path, struct json *object, const char *uid)
{
	AUTO(json) struct json *change = json_make_object(), *old = object;
	AUTO(str) char *version = str_fmt("%llu", (unsigned long long)++c->version);
	AUTO(str) char *fresh = str_fmt("uid-%llu", (unsigned long long)c->uids);
	struct json *meta = json_make_object();
	struct cluster_object *o = find(c, path);

	c->uids += !uid;
	json_put(meta, "resourceVersion", json_make_string(version));
	json_put(meta, "uid", json_make_string(uid ? uid : fresh));
	json_put(change, "metadata", meta);
	if (!o) {
		vec_push(&c->objects, ((struct cluster_object){ .path = xstrdup(path) }));
		o = &c->objects.v[c->objects.n - 1];
	}
	object = merged(old, change);
	json_free(o->object);
	o->object = object;
	if (c->watched && count(c, c->watched) > c->most)
		c->most = count(c, c->watched);
}

/* --- requests --- */

/* The parts of a request line. */
struct question {
	char method[8], *path, *query;
	struct json *body; /* NULL: none */
	bool strategic;
};

static int refuse(char **body, int status, const char *reason)
{
	*body = str_fmt("{\"kind\":\"Status\",\"reason\":\"%s\"}", reason);
	return status;
}

static int show(char **body, int status, const struct json *object)
{
	*body = json_format(object, false);
	return status;
}

/* True if the object has the label of the query, labelSelector=KEY=VALUE, or the query has none. */
static bool is_selected(const struct json *object, const char *query)
{
	static const char word[] = "labelSelector=";
	const char *at = query ? strstr(query, word) : NULL;
	const struct json *labels = json_get(json_get(object, "metadata"), "labels");
	AUTO(str) char *selector = NULL;

	if (!at)
		return true;
	at += strlen(word);
	selector = str_url_decode(at, strcspn(at, "&"), false);
	for (void *it = json_begin(labels); it; it = json_after(labels, it)) {
		AUTO(str) char *is = str_fmt("%s=%s", json_key(it), json_text(json_value(it)));

		if (str_eq(is, selector))
			return true;
	}
	return false;
}

static int list(struct cluster *c, const struct question *q, char **body)
{
	AUTO(json) struct json *all = json_make_object();
	struct json *items = json_make_array(), *meta = json_make_object();
	AUTO(str) char *version = str_fmt("%llu", (unsigned long long)c->version);
	AUTO(str) char *below = str_fmt("%s/", q->path);

	json_put(meta, "resourceVersion", json_make_string(version));
	json_put(all, "metadata", meta);
	json_put(all, "items", items);
	vec_each(struct cluster_object, o, &c->objects) {
		if (str_starts(o->path, below) && is_selected(o->object, q->query))
			json_add(items, json_share(o->object));
	}
	return show(body, 200, all);
}

static int create(struct cluster *c, const struct question *q, char **body)
{
	AUTO(str) char *path = str_fmt("%s/%s", q->path, kube_meta(q->body, "name"));

	if (find(c, path))
		return refuse(body, 409, "AlreadyExists");
	store(c, path, json_share(q->body), NULL);
	return show(body, 201, find(c, path)->object);
}

static bool is_version(const struct cluster_object *o, const char *version)
{
	return !version || str_eq(version, kube_meta(o->object, "resourceVersion"));
}

static int patch(struct cluster *c, struct cluster_object *o, const struct question *q, char **body)
{
	AUTO(str) char *uid = xstrdup(kube_meta(o->object, "uid"));
	AUTO(str) char *path = xstrdup(o->path);

	if (!is_version(o, kube_meta(q->body, "resourceVersion")))
		return refuse(body, 409, "Conflict");
	store(c, path,
	      q->strategic ? with_conditions(o->object, q->body) : merged(o->object, q->body), uid);
	return show(body, 200, find(c, path)->object);
}

static int delete (struct cluster *c, struct cluster_object *o, const struct question *q,
		   char **body)
{
	const struct json *is = q->body ? json_get(q->body, "preconditions") : NULL;
	const char *uid = is ? json_get_text(is, "uid") : NULL;

	if ((uid && !str_eq(uid, kube_meta(o->object, "uid"))) ||
	    !is_version(o, is ? json_get_text(is, "resourceVersion") : NULL))
		return refuse(body, 409, "Conflict");
	drop(c, o);
	*body = xstrdup("{\"kind\":\"Status\",\"status\":\"Success\"}");
	return 200;
}

/* Does what the request asks for; returns the status. */
static int act(struct cluster *c, const struct question *q, char **body)
{
	struct cluster_object *o = find(c, q->path);

	if (str_eq(q->method, "POST"))
		return create(c, q, body);
	if (str_eq(q->method, "GET") && q->query)
		return list(c, q, body);
	if (!o)
		return refuse(body, 404, "NotFound");
	if (str_eq(q->method, "PATCH"))
		return patch(c, o, q, body);
	if (str_eq(q->method, "DELETE"))
		return delete (c, o, q, body);
	return show(body, 200, o->object);
}

static void read_question(const struct asked *asked, struct question *q)
{
	const char *path = strchr(asked->line, ' ');
	size_t len = path ? strcspn(path + 1, " ") : 0;
	struct err err = ERR_INIT;

	ck_assert_msg(path && str_print(q->method, sizeof(q->method), "%.*s",
					(int)(path - asked->line), asked->line) == 0,
		      "%s", asked->line);
	q->path = xstrndup(path + 1, len);
	q->query = strchr(q->path, '?');
	if (q->query)
		*q->query++ = '\0';
	/* The conditions are a part of the node. */
	if (strlen(q->path) > 7 && str_eq(q->path + strlen(q->path) - 7, "/status"))
		q->path[strlen(q->path) - 7] = '\0';
	q->strategic = strstr(asked->head, "strategic-merge-patch") != NULL;
	q->body = *asked->body ? json_parse(asked->body, strlen(asked->body), "body", &err) : NULL;
	ck_assert_msg(!err.code, "%s", err.msg);
}

static void decide(void *arg, const struct asked *asked, struct said *said, char **body)
{
	struct cluster *c = arg;
	struct question q = { .path = NULL };
	bool cut;

	read_question(asked, &q);
	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	cut = ++c->requests == c->at;
	*said = (struct said){ .how = cut ? SAY_NOTHING : SAY_ALL };
	if (!cut || c->after)
		said->status = act(c, &q, body);
	if (cut && c->cut)
		c->cut(c->arg);
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
	free(q.path);
	json_free(q.body);
}

/* --- the test's side --- */

void cluster_start(struct cluster *c)
{
	*c = (struct cluster){ .version = 100 };
	ck_assert_int_eq(pthread_mutex_init(&c->lock, NULL), 0);
	api_serve(&c->api, decide, c);
}

void cluster_stop(struct cluster *c)
{
	api_stop(&c->api);
	while (c->objects.n)
		drop(c, &c->objects.v[0]);
	vec_release(&c->objects);
	(void)pthread_mutex_destroy(&c->lock);
}

void cluster_put(struct cluster *c, const char *path, const char *text)
{
	struct err err = ERR_INIT;
	struct json *object = json_parse(text, strlen(text), path, &err);

	ck_assert_msg(object != NULL, "%s", err.msg);
	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	store(c, path, object, NULL);
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
}

void cluster_remove(struct cluster *c, const char *path)
{
	struct cluster_object *o;

	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	o = find(c, path);
	if (o)
		drop(c, o);
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
}

void cluster_annotate(struct cluster *c, const char *path, const char *key, const char *value)
{
	AUTO(json) struct json *change = json_make_object();
	struct json *meta = json_make_object(), *notes = json_make_object();
	AUTO(str) char *uid = NULL;
	struct cluster_object *o;

	json_put(notes, key, value ? json_make_string(value) : json_make_null());
	json_put(meta, "annotations", notes);
	json_put(change, "metadata", meta);
	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	o = find(c, path);
	ck_assert_ptr_nonnull(o);
	uid = xstrdup(kube_meta(o->object, "uid"));
	store(c, path, merged(o->object, change), uid);
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
}

struct json *cluster_get(struct cluster *c, const char *path)
{
	struct cluster_object *o;
	struct json *object;

	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	o = find(c, path);
	object = o ? json_share(o->object) : NULL;
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
	return object;
}

size_t cluster_count(struct cluster *c, const char *text)
{
	size_t n;

	ck_assert_int_eq(pthread_mutex_lock(&c->lock), 0);
	n = count(c, text);
	ck_assert_int_eq(pthread_mutex_unlock(&c->lock), 0);
	return n;
}
