// SPDX-License-Identifier: Apache-2.0
/*
 * Turns. A turn is a Lease with a number below the limit; the node that creates the Lease has the
 * turn. A node that waits reads all Leases of the instance with one request: turns, failures, the
 * request to uninstall. If two nodes see the same number free, both try to create its Lease; one
 * gets E_EXISTS.
 */

#include "deploy/report/report-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <string.h>
#include <sys/random.h>

#define LABEL_INSTANCE REPORT_PREFIX "instance"
#define LABEL_KIND     REPORT_PREFIX "kind"
#define TURN           "turn"
#define FAILED         "failed"

/* If a pause was so much longer than planned, the API server did not answer, and other nodes could
 * not renew their turns either: whether a turn has expired is then observed anew. */
#define AWAY_MS(p) ((p)->o->pace.seconds * 1000ULL / 2)

enum { LIMIT_MAX = 10000, LIMIT_MS = 300000, SLOT_TRIES = 4 };

void pace_init(struct pace *p, const struct report_options *o, const char *instance,
	       const char *space)
{
	*p = (struct pace){
		.o = o, .instance = instance, .space = space, .node = o->node, .slot = -1
	};
}

void pace_release(struct pace *p)
{
	kube_observations_release(&p->observed);
	free(p->uninstall);
	free(p->owner);
	free(p->owner_uid);
	free(p->holder_uid);
	p->uninstall = p->owner = p->owner_uid = p->holder_uid = NULL;
}

int pace_limit(const char *at_once, uint64_t nodes, uint64_t *limit, struct err *err)
{
	size_t len = strlen(at_once);
	bool part = len && at_once[len - 1] == '%';
	AUTO(str) char *number = xstrndup(at_once, part ? len - 1 : len);
	uint64_t n;

	if (str_u64(number, 10, 1, part ? 100 : LIMIT_MAX, "the number of nodes at a time", &n,
		    err) < 0)
		return -1;
	*limit = part ? nodes * n / 100 : n;
	if (*limit < 1)
		*limit = 1;
	if (*limit > LIMIT_MAX)
		*limit = LIMIT_MAX;
	return 0;
}

/* --- Leases --- */

/* A Lease with its name and labels; release with lease_release(). */
struct lease {
	char *name;
	const char *labels[5];
	struct kube_lease l;
};

static void lease_release(struct lease *l)
{
	free(l->name);
}
DEFINE_AUTO_STRUCT(lease, struct lease, lease_release)

static void lease_init(struct lease *l, const struct pace *p, const char *kind, char *name,
		       unsigned seconds)
{
	l->name = name;
	l->labels[0] = LABEL_INSTANCE;
	l->labels[1] = p->instance;
	l->labels[2] = LABEL_KIND;
	l->labels[3] = kind;
	l->labels[4] = NULL;
	l->l = (struct kube_lease){ .space = p->space,
				    .name = name,
				    .holder = p->node,
				    .seconds = seconds,
				    .labels = l->labels,
				    .node = p->holder_uid ? p->node : NULL,
				    .node_uid = p->holder_uid };
}

static void lease_of_turn(struct lease *l, const struct pace *p, int slot)
{
	lease_init(l, p, TURN, str_fmt("kata-deploy.%s." TURN "-%d", p->instance, slot),
		   p->o->pace.seconds);
}

/* A long name of a node is replaced by its digest, since the name of the Lease is limited too. */
static void lease_of_failure(struct lease *l, const struct pace *p)
{
	char digest[65];

	sha256_hex(p->node, strlen(p->node), digest);
	lease_init(l, p, FAILED,
		   strlen(p->node) <= 150
			   ? str_fmt("kata-deploy.%s." FAILED ".%s", p->instance, p->node)
			   : str_fmt("kata-deploy.%s." FAILED ".%s", p->instance, digest),
		   0);
}

/* --- a look --- */

struct looking {
	struct pace *p;
	uint64_t now;
	int slot;
	bool marked;
	uint64_t running, failed;
	struct json *uninstall;       /* the request to uninstall every node; NULL: none */
	VEC(struct json *) abandoned; /* turns that have expired */
	VEC(int) taken;               /* numbers of the others */
};

static void looking_clear(struct looking *l)
{
	vec_each(struct json *, one, &l->abandoned)
		json_free(*one);
	vec_release(&l->abandoned);
	vec_release(&l->taken);
	json_free(l->uninstall);
	l->uninstall = NULL;
	l->slot = -1;
	l->marked = false;
	l->running = l->failed = 0;
}
DEFINE_AUTO_STRUCT(looking, struct looking, looking_clear)

/* Returns the number of a turn from its name; -1: it is not a turn. */
static int slot_of(const struct pace *p, const char *name)
{
	AUTO(str) char *begin = str_fmt("kata-deploy.%s." TURN "-", p->instance);
	struct err ignored = ERR_INIT;
	uint64_t n;

	if (!str_starts(name, begin) ||
	    str_u64(name + strlen(begin), 10, 0, 2 * LIMIT_MAX, "turn", &n, &ignored) < 0)
		return -1;
	return (int)n;
}

static void look_at_turn(struct looking *l, const struct json *lease, const char *holder, int slot)
{
	bool ours = str_eq(holder, l->p->node);

	if (ours && l->slot < 0)
		l->slot = slot;
	if (!ours && kube_observe(&l->p->observed, lease, l->now)) {
		vec_push(&l->abandoned, json_share(lease));
		return;
	}
	vec_push(&l->taken, slot);
	if (!ours)
		l->running++;
}

static int look_at(void *arg, enum kube_event event, const struct json *lease, struct err *err)
{
	struct looking *l = arg;
	const char *kind, *name, *holder;

	(void)err;
	if (event == KUBE_BEGIN) {
		looking_clear(l);
		kube_observe_begin(&l->p->observed);
	}
	if (event == KUBE_SYNCED)
		kube_observe_end(&l->p->observed);
	if (event != KUBE_FOUND)
		return 0;
	kind = kube_meta_of(lease, "labels", LABEL_KIND);
	name = kube_meta(lease, "name");
	holder = kube_lease_holder(lease);
	if (str_eq(kind, FAILED)) {
		l->marked = l->marked || str_eq(holder, l->p->node);
		l->failed += !str_eq(holder, l->p->node);
	} else if (str_eq(kind, "uninstall")) {
		json_free(l->uninstall);
		l->uninstall = json_share(lease);
	} else if (str_eq(kind, TURN) && slot_of(l->p, name) >= 0) {
		look_at_turn(l, lease, holder, slot_of(l->p, name));
	}
	return 0;
}

/* Takes id and owner of the request (NULL: there is none). */
static void take_request(struct pace *p, const struct json *lease)
{
	const struct json *meta = lease ? json_get(lease, "metadata") : NULL,
			  *all = meta ? json_get(meta, "ownerReferences") : NULL, *owner = NULL;

	for (size_t i = 0; all && json_kind(all) == JSON_IS_ARRAY && i < json_count(all); i++) {
		if (str_eq(json_get_text(json_at(all, i), "kind"), "DaemonSet"))
			owner = json_at(all, i);
	}
	str_set(&p->uninstall, lease ? kube_meta(lease, "uid") : NULL);
	str_set(&p->owner, owner ? json_get_text(owner, "name") : NULL);
	str_set(&p->owner_uid, owner ? json_get_text(owner, "uid") : NULL);
}

static int look(struct pace *p, struct kube *k, bool cached, struct looking *l,
		struct deadline deadline, struct err *err)
{
	AUTO(str) char *path = kube_path(KUBE_LEASES, p->space, "leases", NULL);
	AUTO(str) char *labels = str_fmt(LABEL_INSTANCE "=%s", p->instance);
	struct kube_selection s = { .path = path, .labels = labels, .cached = cached };
	int rc;

	*l = (struct looking){ .p = p, .now = clock_ms(), .slot = -1 };
	if (p->looked_at && l->now - p->looked_at > p->planned + AWAY_MS(p))
		kube_observations_release(&p->observed);
	rc = kube_list(k, &s, look_at, l, deadline, err);
	if (rc < 0 || clock_ms() - l->now > AWAY_MS(p))
		kube_observations_release(&p->observed);
	if (rc < 0)
		return -1;
	p->slot = l->slot;
	p->marked = l->marked;
	p->running = l->running;
	p->failed = l->failed;
	p->looked = true;
	p->looked_at = clock_ms();
	take_request(p, l->uninstall);
	return 0;
}

int pace_look(struct pace *p, struct kube *k, struct deadline deadline, struct err *err)
{
	AUTO(looking) struct looking l = { 0 };

	return look(p, k, false, &l, deadline, err);
}

/* --- turns --- */

/* Sets *n to the number of nodes that shall have a pod of the DaemonSet; 0: the cluster has not
 * counted them yet. */
static int count_of_set(const struct pace *p, struct kube *k, uint64_t *n, struct deadline deadline,
			struct err *err)
{
	AUTO(str)
	char *path = kube_path("apis", "apps", "v1", "namespaces", p->space, "daemonsets",
			       p->o->pace.set, NULL);
	AUTO(json) struct json *set = kube_get(k, path, deadline, err);
	const struct json *status = set ? json_get(set, "status") : NULL, *number = NULL;

	if (!set)
		return -1;
	if (status && json_kind(status) == JSON_IS_OBJECT)
		number = json_get(status, "desiredNumberScheduled");
	*n = 0;
	if (number && json_kind(number) == JSON_IS_INT && json_u64(number, n) < 0)
		*n = 0;
	return 0;
}

static int count_nodes(const struct pace *p, struct kube *k, uint64_t *n, struct deadline deadline,
		       struct err *err)
{
	const struct kube_selection all = { .path = "/api/v1/nodes" };

	return p->o->pace.set ? count_of_set(p, k, n, deadline, err)
			      : kube_count(k, &all, n, deadline, err);
}

static int refresh_limit(struct pace *p, struct kube *k, struct deadline deadline, struct err *err)
{
	bool part = strchr(p->o->pace.at_once, '%');
	struct err why = ERR_INIT;

	if (p->limit && (p->nodes || !part) && clock_ms() - p->limit_at < LIMIT_MS)
		return 0;
	if (part && count_nodes(p, k, &p->nodes, deadline, &why) < 0) {
		if (why.code != E_PERMISSION && why.code != E_NOT_FOUND)
			return err_set_at(err, why.code, why.sys, why.where, "%s", why.msg);
		log_err(LOG_WARN, &why, "cannot count the nodes; one turn at a time");
		p->nodes = 1;
	}
	p->limit_at = clock_ms();
	return pace_limit(p->o->pace.at_once, p->nodes, &p->limit, err);
}

static bool is_taken(const struct looking *l, int slot)
{
	vec_each(int, one, &l->taken) {
		if (*one == slot)
			return true;
	}
	return false;
}

/* Returns a free number, or -1. The search begins at random, so that not all nodes try the same. */
static int free_slot(const struct looking *l, uint64_t limit)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	for (uint64_t i = 0; i < limit; i++) {
		int slot = (int)((random + i) % limit);

		if (!is_taken(l, slot))
			return slot;
	}
	return -1;
}

/* Removes the Lease of that number, if it has expired. */
static int clear_slot(struct pace *p, struct kube *k, const struct looking *l, int slot,
		      struct deadline deadline, struct err *err)
{
	vec_each(struct json *, one, &l->abandoned) {
		const char *name = kube_meta(*one, "name");
		AUTO(str) char *path = NULL;
		struct kube_precondition is = { kube_meta(*one, "uid"),
						kube_meta(*one, "resourceVersion") };

		if (slot_of(p, name) != slot)
			continue;
		path = kube_path(KUBE_LEASES, p->space, "leases", name, NULL);
		log_info("removing the expired turn of a node",
			 LOG_S("node", kube_lease_holder(*one)));
		if (kube_delete(k, path, &is, deadline, err) == 0)
			continue;
		if (err->code != E_NOT_FOUND && err->code != E_STATE)
			return -1;
		err_clear(err);
	}
	return 0;
}

/* Reads the Leases from the server's cache, which costs it little. Stale data does no harm to a
 * node that waits, since creating a Lease decides. But if the cache has a turn of ours, that may
 * have ended: the Leases are then read again, without the cache. */
static int look_twice(struct pace *p, struct kube *k, struct looking *l, struct deadline deadline,
		      struct err *err)
{
	if (look(p, k, true, l, deadline, err) < 0)
		return -1;
	if (p->slot < 0)
		return 0;
	looking_clear(l);
	return look(p, k, false, l, deadline, err);
}

int pace_acquire(struct pace *p, struct kube *k, bool held, bool last, enum pace_answer *answer,
		 struct deadline deadline, struct err *err)
{
	*answer = PACE_WAIT;
	if (refresh_limit(p, k, deadline, err) < 0)
		return -1;
	for (int i = 0; i < SLOT_TRIES; i++) {
		AUTO(looking) struct looking l = { 0 };
		AUTO(lease) struct lease lease = { 0 };
		int slot;

		if (look_twice(p, k, &l, deadline, err) < 0)
			return -1;
		if (p->slot >= 0) {
			*answer = PACE_GO;
			return 0;
		}
		/* A node that has failed itself may try again, to find out when the cause is
		 * fixed. */
		if (!held && !last && !p->marked && l.failed >= p->o->pace.failures) {
			*answer = PACE_STOPPED;
			return 0;
		}
		if (!held && l.running >= p->limit)
			return 0;
		slot = free_slot(&l, held ? 2 * LIMIT_MAX : p->limit);
		if (slot < 0)
			return 0;
		if (clear_slot(p, k, &l, slot, deadline, err) < 0)
			return -1;
		lease_of_turn(&lease, p, slot);
		if (kube_lease_acquire(k, &lease.l, deadline, err) == 0) {
			p->slot = slot;
			*answer = PACE_GO;
			return 0;
		}
		/* Another node was faster; or it is ours, and the answer to an earlier request was
		 * lost. */
		if (err->code != E_EXISTS)
			return -1;
		err_clear(err);
	}
	return 0;
}

int pace_renew(struct pace *p, struct kube *k, struct deadline deadline, struct err *err)
{
	AUTO(lease) struct lease lease = { 0 };

	lease_of_turn(&lease, p, p->slot);
	if (kube_lease_renew(k, &lease.l, deadline, err) == 0)
		return 0;
	if (err->code == E_STATE)
		p->slot = -1;
	return -1;
}

int pace_release_turn(struct pace *p, struct kube *k, struct deadline deadline, struct err *err)
{
	AUTO(lease) struct lease lease = { 0 };

	if (p->slot < 0)
		return 0;
	lease_of_turn(&lease, p, p->slot);
	if (kube_lease_release(k, &lease.l, deadline, err) < 0)
		return -1;
	p->slot = -1;
	return 0;
}

int pace_mark(struct pace *p, struct kube *k, bool failed, struct deadline deadline,
	      struct err *err)
{
	AUTO(lease) struct lease lease = { 0 };

	if (p->marked == failed)
		return 0;
	lease_of_failure(&lease, p);
	if (!failed && kube_lease_release(k, &lease.l, deadline, err) < 0)
		return -1;
	if (failed && kube_lease_acquire(k, &lease.l, deadline, err) < 0 && err->code != E_EXISTS)
		return -1;
	err_clear(err);
	p->marked = failed;
	return 0;
}
