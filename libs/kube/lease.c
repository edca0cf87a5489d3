// SPDX-License-Identifier: Apache-2.0
/* Leases as locks, and the observation of Leases of others. */

#include "kube/lease.h"

#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { SECONDS_MAX = 24 * 3600 };

static char *path_of(const struct kube_lease *l, bool collection)
{
	return kube_path(KUBE_LEASES, l->space, "leases", collection ? NULL : l->name, NULL);
}

static struct json *owners(const struct kube_lease *l)
{
	struct json *list = json_make_array(), *one = json_make_object();

	json_put(one, "apiVersion", json_make_string("v1"));
	json_put(one, "kind", json_make_string("Node"));
	json_put(one, "name", json_make_string(l->node));
	json_put(one, "uid", json_make_string(l->node_uid));
	json_add(list, one);
	return list;
}

static struct json *object_of(const struct kube_lease *l)
{
	struct json *object = json_make_object(), *meta = json_make_object(),
		    *labels = json_make_object(), *spec = json_make_object();
	char now[KUBE_TIME_SIZE];

	kube_now(true, now);
	json_put(object, "apiVersion", json_make_string("coordination.k8s.io/v1"));
	json_put(object, "kind", json_make_string("Lease"));
	json_put(meta, "name", json_make_string(l->name));
	json_put(meta, "namespace", json_make_string(l->space));
	for (const char *const *p = l->labels; p && p[0]; p += 2)
		json_put(labels, p[0], json_make_string(p[1]));
	json_put(meta, "labels", labels);
	if (l->node && l->node_uid)
		json_put(meta, "ownerReferences", owners(l));
	json_put(object, "metadata", meta);
	json_put(spec, "holderIdentity", json_make_string(l->holder));
	if (l->seconds)
		json_put(spec, "leaseDurationSeconds", json_make_int(l->seconds));
	json_put(spec, "acquireTime", json_make_string(now));
	json_put(spec, "renewTime", json_make_string(now));
	json_put(object, "spec", spec);
	return object;
}

static const struct json *spec_of(const struct json *lease)
{
	const struct json *spec = json_get(lease, "spec");

	return spec && json_kind(spec) == JSON_IS_OBJECT ? spec : NULL;
}

const char *kube_lease_holder(const struct json *lease)
{
	const struct json *spec = spec_of(lease);
	const char *holder = spec ? json_get_text(spec, "holderIdentity") : NULL;

	return holder ? holder : "";
}

int kube_lease_acquire(struct kube *k, const struct kube_lease *l, struct deadline deadline,
		       struct err *err)
{
	AUTO(json) struct json *object = object_of(l), *made = NULL;
	AUTO(str) char *path = path_of(l, true);

	made = kube_create(k, path, object, deadline, err);
	return made ? 0 : -1;
}

static struct json *make_renewal(void *arg, const struct json *lease, struct err *err)
{
	const struct kube_lease *l = arg;
	struct json *patch, *spec;
	char now[KUBE_TIME_SIZE];

	if (!str_eq(kube_lease_holder(lease), l->holder)) {
		err_set(err, E_STATE, "Lease %s is held by '%s' now", l->name,
			kube_lease_holder(lease));
		return NULL;
	}
	patch = json_make_object();
	spec = json_make_object();
	kube_now(true, now);
	json_put(spec, "renewTime", json_make_string(now));
	json_put(patch, "spec", spec);
	return patch;
}

int kube_lease_renew(struct kube *k, const struct kube_lease *l, struct deadline deadline,
		     struct err *err)
{
	AUTO(str) char *path = path_of(l, false);
	struct kube_lease mine = *l;
	AUTO(json)
	struct json *after = kube_change(k, path, "", make_renewal, &mine, deadline, err);

	if (!after && err->code == E_NOT_FOUND)
		err->code = E_STATE;
	return after ? 0 : -1;
}

int kube_lease_release(struct kube *k, const struct kube_lease *l, struct deadline deadline,
		       struct err *err)
{
	AUTO(str) char *path = path_of(l, false);

	do {
		AUTO(json) struct json *lease = kube_get(k, path, deadline, err);
		struct kube_precondition is;

		if (lease && !str_eq(kube_lease_holder(lease), l->holder))
			return 0;
		if (lease) {
			is = (struct kube_precondition){ kube_meta(lease, "uid"),
							 kube_meta(lease, "resourceVersion") };
			if (kube_delete(k, path, &is, deadline, err) == 0)
				return 0;
		}
		if (err->code == E_NOT_FOUND) {
			err_clear(err);
			return 0;
		}
		if (err->code != E_STATE || deadline_passed(deadline))
			return -1;
		err_clear(err);
	} while (kube_pause(k, KUBE_PAUSE_MS, err) == 0);
	return -1;
}

/* --- observation --- */

void kube_observe_begin(struct kube_observations *o)
{
	vec_each(struct kube_observation, one, &o->all)
		one->seen = false;
}

static struct kube_observation *find_or_add(struct kube_observations *o, const char *uid)
{
	vec_each(struct kube_observation, one, &o->all) {
		if (str_eq(one->uid, uid))
			return one;
	}
	vec_push(&o->all, ((struct kube_observation){ .uid = xstrdup(uid) }));
	return &o->all.v[o->all.n - 1];
}

static uint64_t seconds_of(const struct json *lease)
{
	const struct json *spec = spec_of(lease),
			  *j = spec ? json_get(spec, "leaseDurationSeconds") : NULL;
	uint64_t n = 0;

	if (!j || json_kind(j) != JSON_IS_INT || json_u64(j, &n) < 0)
		return 0;
	return n > SECONDS_MAX ? SECONDS_MAX : n;
}

bool kube_observe(struct kube_observations *o, const struct json *lease, uint64_t now_ms)
{
	const char *uid = kube_meta(lease, "uid"), *version = kube_meta(lease, "resourceVersion");
	uint64_t seconds = seconds_of(lease);
	struct kube_observation *one;

	if (!uid || !version || !seconds)
		return false;
	one = find_or_add(o, uid);
	one->seen = true;
	if (!str_eq(one->version, version)) {
		str_set(&one->version, version);
		one->since = now_ms;
	}
	return now_ms - one->since >= seconds * 1000;
}

static void forget(struct kube_observations *o, bool all)
{
	for (size_t i = o->all.n; i-- > 0;) {
		if (!all && o->all.v[i].seen)
			continue;
		free(o->all.v[i].uid);
		free(o->all.v[i].version);
		vec_remove(&o->all, i);
	}
}

void kube_observe_end(struct kube_observations *o)
{
	forget(o, false);
}

void kube_observations_release(struct kube_observations *o)
{
	forget(o, true);
	vec_release(&o->all);
}
