// SPDX-License-Identifier: Apache-2.0
/*
 * Compares a node object with its desired state, and makes the patch.
 *
 *	label		set-by
 *	absent		-		ours: set both
 *	there		there		ours
 *	there		absent		somebody else's: left alone
 *
 * All instances share one label: the last one removes it.
 */

#include "deploy/report/report-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define SET_BY        "kata-deploy"
#define SHARED_SET_BY REPORT_PREFIX "kata-runtime.set-by"

static const struct json *object_in(const struct json *object, const char *key)
{
	const struct json *j = object && json_kind(object) == JSON_IS_OBJECT ? json_get(object, key)
									     : NULL;

	return j && json_kind(j) == JSON_IS_OBJECT ? j : NULL;
}

static const char *label(const struct json *node, const char *key)
{
	return kube_meta_of(node, "labels", key);
}

static const char *note(const struct json *node, const char *key)
{
	return kube_meta_of(node, "annotations", key);
}

/* Adds a member to the patch if its value differs; value NULL: remove it. */
static void want(struct json *patch, const char *key, const char *is, const char *value)
{
	if (!str_eq(is, value))
		json_put(patch, key, value ? json_make_string(value) : json_make_null());
}

/* Adds one of our labels, with its set-by, to the patch. Returns false if somebody else has set
 * it. */
static bool want_label(struct json *labels, struct json *notes, const struct json *node,
		       const char *key, const char *set_by, const char *value)
{
	const char *is = label(node, key), *owner = note(node, set_by);

	if (is && !owner)
		return !value;
	want(labels, key, is, value);
	want(notes, set_by, owner, value ? SET_BY : NULL);
	return true;
}

/* Returns "true" if another instance on the node is ready, "false" if none is, NULL if there is
 * none. */
static const char *others(const struct wish *w, const struct json *node)
{
	const struct json *labels = object_in(object_in(node, "metadata"), "labels");
	AUTO(str) char *own = str_fmt(REPORT_PREFIX "%s", w->instance);
	const char *found = NULL;

	for (void *it = labels ? json_begin(labels) : NULL; it; it = json_after(labels, it)) {
		const struct json *value = json_value(it);

		if (!str_starts(json_key(it), REPORT_PREFIX) || str_eq(json_key(it), own) ||
		    json_kind(value) != JSON_IS_STRING)
			continue;
		if (!found || str_eq(json_text(value), "true"))
			found = str_eq(json_text(value), "true") ? "true" : "false";
	}
	return found;
}

static void want_note(const struct wish *w, struct json *notes, const struct json *node,
		      const char *what, const char *value)
{
	AUTO(str) char *key = str_fmt(REPORT_PREFIX "%s.%s", w->instance, what);

	want(notes, key, note(node, key), w->gone || str_empty(value) ? NULL : value);
}

static void want_notes(const struct wish *w, struct json *notes, const struct json *node)
{
	AUTO(str)
	char *serial = w->serial ? str_fmt("%llu", (unsigned long long)w->serial) : NULL;

	want_note(w, notes, node, "version", w->version);
	want_note(w, notes, node, "generation", w->generation);
	want_note(w, notes, node, "serial", serial);
}

static void want_labels(struct wish *w, struct json *labels, struct json *notes,
			const struct json *node)
{
	AUTO(str) char *own = str_fmt(REPORT_PREFIX "%s", w->instance);
	AUTO(str) char *set_by = str_fmt(REPORT_PREFIX "%s.set-by", w->instance);
	const char *rest = others(w, node), *value = w->gone ? NULL : w->value;
	const char *shared = rest && !str_eq(value, "true") ? rest : value;

	w->foreign = !want_label(labels, notes, node, own, set_by, value);
	if (!want_label(labels, notes, node, REPORT_SHARED_LABEL, SHARED_SET_BY, shared))
		w->foreign = true;
}

/* --- taints --- */

struct taint {
	char *key, *value, *effect; /* value, effect: NULL: any */
};

static void taint_release(struct taint *t)
{
	free(t->key);
	free(t->value);
	free(t->effect);
}
DEFINE_AUTO_STRUCT(taint, struct taint, taint_release)

static void taint_parse(const char *text, struct taint *t)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	size_t key = strcspn(text, "=");

	if (colon)
		t->effect = xstrdup(colon + 1);
	if (key < len)
		t->value = xstrndup(text + key + 1, len - key - 1);
	t->key = xstrndup(text, key < len ? key : len);
}

int taint_check(const char *text, struct err *err)
{
	static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute",
					       NULL };
	AUTO(taint) struct taint t = { 0 };
	bool good = true;

	taint_parse(text, &t);
	for (const char *p = t.key; *p; p++)
		good = good && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_./",
				      *p);
	if (good && *t.key && (!t.effect || strv_has((char *const *)(uintptr_t)effects, t.effect)))
		return 0;
	(void)err_set(err, E_USAGE, "'%.100s' is no taint", text);
	return err_hint(err, "KEY, KEY=VALUE, KEY:EFFECT or KEY=VALUE:EFFECT, where EFFECT is "
			     "NoSchedule, PreferNoSchedule or NoExecute");
}

static bool is_startup(const struct wish *w, const struct json *one)
{
	strv_each(text, w->taints) {
		AUTO(taint) struct taint t = { 0 };
		const char *value;

		taint_parse(*text, &t);
		value = json_get_text(one, "value");
		if (str_eq(json_get_text(one, "key"), t.key) &&
		    (!t.value || str_eq(value ? value : "", t.value)) &&
		    (!t.effect || str_eq(json_get_text(one, "effect"), t.effect)))
			return true;
	}
	return false;
}

/* Returns the taints without the start-up taints; NULL: there is nothing to remove. */
static struct json *rest_of_taints(const struct wish *w, const struct json *node)
{
	const struct json *spec = object_in(node, "spec"),
			  *all = spec ? json_get(spec, "taints") : NULL;
	struct json *rest;

	if (!w->taints || !all || json_kind(all) != JSON_IS_ARRAY)
		return NULL;
	rest = json_make_array();
	for (size_t i = 0; i < json_count(all); i++) {
		if (!is_startup(w, json_at(all, i)))
			json_add(rest, json_share(json_at(all, i)));
	}
	if (json_count(rest) < json_count(all))
		return rest;
	json_free(rest);
	return NULL;
}

/* --- the patch of the node --- */

struct json *wish_patch(struct wish *w, const struct json *node)
{
	AUTO(json)
	struct json *labels = json_make_object(), *notes = json_make_object(),
		    *meta = json_make_object(), *patch = json_make_object();
	struct json *taints = rest_of_taints(w, node);

	w->foreign = false;
	if (w->gone || w->value) {
		want_labels(w, labels, notes, node);
		want_notes(w, notes, node);
	}
	if (json_count(labels))
		json_put(meta, "labels", STEAL(labels, NULL));
	if (json_count(notes))
		json_put(meta, "annotations", STEAL(notes, NULL));
	if (json_count(meta))
		json_put(patch, "metadata", STEAL(meta, NULL));
	if (taints) {
		struct json *spec = json_make_object();

		json_put(spec, "taints", taints);
		json_put(patch, "spec", spec);
	}
	return json_count(patch) ? STEAL(patch, NULL) : NULL;
}

bool wish_label_is(const struct wish *w, const struct json *node, const char *value)
{
	AUTO(str) char *own = str_fmt(REPORT_PREFIX "%s", w->instance);

	return str_eq(label(node, own), value) && str_eq(label(node, REPORT_SHARED_LABEL), value);
}

/* --- the condition --- */

const struct json *condition_find(const struct json *node, const char *type)
{
	const struct json *status = object_in(node, "status"),
			  *all = status ? json_get(status, "conditions") : NULL;

	for (size_t i = 0; all && json_kind(all) == JSON_IS_ARRAY && i < json_count(all); i++) {
		if (str_eq(json_get_text(json_at(all, i), "type"), type))
			return json_at(all, i);
	}
	return NULL;
}

static struct json *status_patch(struct json *condition)
{
	struct json *patch = json_make_object(), *status = json_make_object(),
		    *list = json_make_array();

	json_add(list, condition);
	json_put(status, "conditions", list);
	json_put(patch, "status", status);
	return patch;
}

struct json *condition_patch(const struct condition *c, const struct json *node, bool *news)
{
	const struct json *is = condition_find(node, c->type);
	const char *since = is ? json_get_text(is, "lastTransitionTime") : NULL;
	char now[KUBE_TIME_SIZE];
	struct json *j;

	*news = !is || !str_eq(json_get_text(is, "status"), c->status) ||
		!str_eq(json_get_text(is, "reason"), c->reason);
	if (!*news && str_eq(json_get_text(is, "message"), c->message))
		return NULL;
	kube_now(false, now);
	if (!is || !str_eq(json_get_text(is, "status"), c->status))
		since = now;
	j = json_make_object();
	json_put(j, "type", json_make_string(c->type));
	json_put(j, "status", json_make_string(c->status));
	json_put(j, "reason", json_make_string(c->reason));
	json_put(j, "message", json_make_string(c->message));
	json_put(j, "lastHeartbeatTime", json_make_string(now));
	json_put(j, "lastTransitionTime", json_make_string(since ? since : now));
	return status_patch(j);
}

struct json *condition_removal(const char *type, const struct json *node)
{
	struct json *j;

	if (!condition_find(node, type))
		return NULL;
	j = json_make_object();
	json_put(j, "$patch", json_make_string("delete"));
	json_put(j, "type", json_make_string(type));
	return status_patch(j);
}
