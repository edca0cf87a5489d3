// SPDX-License-Identifier: Apache-2.0
/* Events about a node, and their series. */

#include "kube/event.h"

#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <time.h>

#define EVENTS "/apis/events.k8s.io/v1/namespaces/kube-system/events"

/* Of the name of a node, which may have 253 bytes: in the name of an Event; and as its
 * reportingInstance, for which the API server has this limit. */
enum { NAME_MAX_NODE = 200, INSTANCE_MAX = 128 };

void kube_recorder_release(struct kube_recorder *r)
{
	free(r->name);
	free(r->what);
	r->name = r->what = NULL;
	r->count = r->sent = 0;
}

static struct json *regarding(const struct kube_recorder *r)
{
	struct json *j = json_make_object();

	json_put(j, "apiVersion", json_make_string("v1"));
	json_put(j, "kind", json_make_string("Node"));
	json_put(j, "name", json_make_string(r->node));
	json_put(j, "uid", json_make_string(r->node));
	return j;
}

/* Returns a new name of an Event, heap. What is left of the node's name must be one itself: it does not
 * end in '.' or '-'. */
static char *new_name(const char *node)
{
	int n = (int)strnlen(node, NAME_MAX_NODE);
	struct timespec now;

	while (n > 1 && strchr(".-", node[n - 1]))
		n--;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return str_fmt("%.*s.%llx", n, node,
		       (unsigned long long)now.tv_sec * 1000000000ULL +
			       (unsigned long long)now.tv_nsec);
}

static struct json *object_of(const struct kube_recorder *r, const struct kube_occurrence *o,
			      const char *note)
{
	struct json *j = json_make_object(), *meta = json_make_object();
	AUTO(str) char *instance = xstrndup(r->instance, strnlen(r->instance, INSTANCE_MAX));
	char now[KUBE_TIME_SIZE];

	kube_now(true, now);
	json_put(j, "apiVersion", json_make_string("events.k8s.io/v1"));
	json_put(j, "kind", json_make_string("Event"));
	json_put(meta, "name", json_make_string(r->name));
	json_put(meta, "namespace", json_make_string("kube-system"));
	json_put(j, "metadata", meta);
	json_put(j, "eventTime", json_make_string(now));
	json_put(j, "reportingController", json_make_string(r->controller));
	json_put(j, "reportingInstance", json_make_string(instance));
	json_put(j, "type", json_make_string(o->warning ? "Warning" : "Normal"));
	json_put(j, "reason", json_make_string(o->reason));
	json_put(j, "action", json_make_string(o->action));
	json_put(j, "note", json_make_string(note));
	json_put(j, "regarding", regarding(r));
	return j;
}

static int send_count(struct kube *k, struct kube_recorder *r, struct deadline deadline,
		      struct err *err)
{
	AUTO(str) char *path = str_fmt(EVENTS "/%s", r->name);
	AUTO(json) struct json *patch = json_make_object(), *after = NULL;
	struct json *series = json_make_object();
	char now[KUBE_TIME_SIZE];

	kube_now(true, now);
	json_put(series, "count", json_make_int(r->count));
	json_put(series, "lastObservedTime", json_make_string(now));
	json_put(patch, "series", series);
	after = kube_patch(k, path, KUBE_MERGE, patch, deadline, err);
	if (!after)
		return -1;
	r->sent = r->count;
	r->sent_at = clock_ms();
	return 0;
}

int kube_record_count(struct kube *k, struct kube_recorder *r, struct deadline deadline,
		      struct err *err)
{
	if (!r->name || r->sent == r->count || clock_ms() - r->sent_at < KUBE_SERIES_MS)
		return 0;
	if (send_count(k, r, deadline, err) == 0)
		return 0;
	/* The API server deletes Events after an hour or so. */
	if (err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	kube_recorder_release(r);
	return 0;
}

int kube_record(struct kube *k, struct kube_recorder *r, const struct kube_occurrence *o,
		struct deadline deadline, struct err *err)
{
	AUTO(str) char *note = xstrndup(o->note, str_cut(o->note, KUBE_NOTE_MAX)), *what = NULL;
	AUTO(json) struct json *object = NULL, *made = NULL;

	what = str_fmt("%s %s %s", o->warning ? "!" : "", o->reason, note);
	if (r->name && str_eq(r->what, what)) {
		r->count++;
		if (kube_record_count(k, r, deadline, err) < 0)
			return -1;
		if (r->name)
			return 0;
	}
	kube_recorder_release(r);
	r->name = new_name(r->node);
	object = object_of(r, o, note);
	made = kube_create(k, EVENTS, object, deadline, err);
	/* E_EXISTS: an earlier try of the same request has created it. */
	if (!made && err->code != E_EXISTS) {
		kube_recorder_release(r);
		return -1;
	}
	err_clear(err);
	r->what = STEAL(what, NULL);
	r->count = r->sent = 1;
	r->sent_at = clock_ms();
	return 0;
}
