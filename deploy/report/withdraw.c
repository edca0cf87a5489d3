// SPDX-License-Identifier: Apache-2.0
/* Makes the request to uninstall every node, and watches the nodes that have the label. */

#include "deploy/report/withdraw.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/report/report-internal.h"
#include "kube/lease.h"

#include <string.h>

/*
 * LOOK_MS: how long a watch lasts, after which nodes are checked for the grace. AWAY_MS: between
 * two attempts to reach the server, which may run on one of the nodes.
 */
enum { LOOK_MS = 10000, AWAY_MS = 2000, NAMES_MAX = 20 };

struct watching {
	struct withdraw *w;
	char *type;  /* of the condition */
	bool synced; /* the watch has listed all nodes */
	/* Until then nodes that are about to install may get the label; they are waited for,
	 * too. */
	struct deadline settled;
	char *pods; /* label selector for the DaemonSet's pods; NULL: they cannot be looked at */
	struct json *lease; /* the request */
	bool made;          /* by this run */
};

static void node_clear(struct withdraw_node *n)
{
	free(n->name);
	free(n->why);
}

void withdraw_release(struct withdraw *w)
{
	vec_each(struct withdraw_node, n, &w->left)
		node_clear(n);
	vec_release(&w->left);
}

static const char *instance_of(const struct withdraw *w)
{
	return str_empty(w->suffix) ? REPORT_DEFAULT : w->suffix;
}

static uint64_t grace_ms(const struct withdraw *w)
{
	return (w->grace_s ? w->grace_s : WITHDRAW_GRACE_S) * 1000ULL;
}

/* --- the request --- */

/* Returns the label selector for the pods of a DaemonSet, which the caller frees; NULL: it has
 * none. */
static char *pods_of(const struct json *set)
{
	const struct json *labels = json_get(json_get(json_get(set, "spec"), "selector"),
					     "matchLabels");
	AUTO(buf) struct buf text = BUF_INIT(KUBE_PATH_MAX);

	for (void *it = json_begin(labels); it; it = json_after(labels, it))
		buf_fmt(&text, "%s%s=%s", text.len ? "," : "", json_key(it),
			json_get_text(labels, json_key(it)));
	return text.len ? xstrdup(buf_cstr(&text)) : NULL;
}

static int put_owner(struct json *meta, struct watching *on, struct kube *k,
		     struct deadline deadline, struct err *err)
{
	const struct withdraw *w = on->w;
	AUTO(str)
	char *path = kube_path("apis", "apps", "v1", "namespaces", w->space, "daemonsets", w->owner,
			       NULL);
	AUTO(json) struct json *set = kube_get(k, path, deadline, err);
	struct json *owners, *owner;

	if (!set)
		return -1;
	owners = json_make_array();
	owner = json_make_object();
	json_put(owner, "apiVersion", json_make_string("apps/v1"));
	json_put(owner, "kind", json_make_string("DaemonSet"));
	json_put(owner, "name", json_make_string(w->owner));
	json_put(owner, "uid", json_make_string(kube_meta(set, "uid")));
	on->pods = pods_of(set);
	json_add(owners, owner);
	json_put(meta, "ownerReferences", owners);
	return 0;
}

static int hint_by_hand(const struct withdraw *w, const char *otherwise, struct err *err)
{
	return err_hint(
		err,
		"%s, or run kata-deploy uninstall on the nodes with the label " REPORT_PREFIX
		"%s and remove that label, and " REPORT_SHARED_LABEL
		" unless another installation is there",
		otherwise, instance_of(w));
}

/* The DaemonSet does not exist, so nobody would act on the request: success if no node has the
 * label. */
static int without_owner(const struct withdraw *w, struct kube *k,
			 const struct kube_selection *nodes, struct deadline deadline,
			 struct err *err)
{
	uint64_t n;

	err_clear(err);
	if (kube_count(k, nodes, &n, deadline, err) < 0)
		return -1;
	if (n == 0)
		return 0;
	(void)err_set(err, E_NOT_FOUND,
		      "there is no DaemonSet %s in namespace %s, whose pods would uninstall; %llu "
		      "nodes have something installed",
		      w->owner, w->space, (unsigned long long)n);
	return hint_by_hand(w, "install it again", err);
}

/* Makes the request, unless there is one: of an earlier run, or of an installation that was removed.
 * The cluster removes the latter with its DaemonSet, and nodes ignore it. So this is repeated while
 * nodes are waited for, until the request is made. */
static int make(struct watching *on, struct kube *k, struct deadline deadline, struct err *err)
{
	AUTO(str) char *path = kube_path(KUBE_LEASES, on->w->space, "leases", NULL);
	AUTO(json) struct json *made = NULL;

	if (on->made)
		return 0;
	made = kube_create(k, path, on->lease, deadline, err);
	on->made = made;
	if (!made && err->code != E_EXISTS)
		return -1;
	err_clear(err);
	return 0;
}

/* Returns 1, or 0 if there are no nodes to uninstall. */
static int request(struct watching *on, struct kube *k, const struct kube_selection *nodes,
		   struct deadline deadline, struct err *err)
{
	const struct withdraw *w = on->w;
	AUTO(str) char *name = str_fmt("kata-deploy.%s.uninstall", instance_of(w));
	struct json *meta = json_make_object(), *labels = json_make_object();

	on->lease = json_make_object();
	json_put(on->lease, "apiVersion", json_make_string("coordination.k8s.io/v1"));
	json_put(on->lease, "kind", json_make_string("Lease"));
	json_put(on->lease, "metadata", meta);
	json_put(meta, "name", json_make_string(name));
	json_put(meta, "labels", labels);
	json_put(labels, REPORT_PREFIX "instance", json_make_string(instance_of(w)));
	json_put(labels, REPORT_PREFIX "kind", json_make_string("uninstall"));
	if (w->owner && put_owner(meta, on, k, deadline, err) < 0)
		return err->code == E_NOT_FOUND ? without_owner(w, k, nodes, deadline, err) : -1;
	return make(on, k, deadline, err) < 0 ? -1 : 1;
}

/* --- the nodes --- */

static struct withdraw_node *node_find(struct withdraw *w, const char *name)
{
	vec_each(struct withdraw_node, n, &w->left) {
		if (str_eq(n->name, name))
			return n;
	}
	return NULL;
}

/* Records the state of a node that has the label. */
static void node_look(struct watching *on, const struct json *object)
{
	const char *name = kube_meta(object, "name");
	struct withdraw_node *n;
	bool ready;

	if (!name)
		return;
	n = node_find(on->w, name);
	if (!n) {
		struct withdraw_node fresh = { .name = xstrdup(name), .ready = true };

		vec_push(&on->w->left, fresh);
		n = &on->w->left.v[on->w->left.n - 1];
		on->w->asked++;
	}
	ready = str_eq(json_get_text(condition_find(object, "Ready"), "status"), "True");
	if (!ready && n->ready)
		n->unready_since = clock_ms();
	n->ready = ready;
	n->seen = true;
	str_set(&n->why, json_get_text(condition_find(object, on->type), "message"));
}

static void node_done(struct withdraw *w, struct withdraw_node *n)
{
	if (w->done)
		w->done(w->arg, n->name);
	node_clear(n);
	*n = w->left.v[--w->left.n];
}

/* After a new list: nodes that are not in it have lost the label. */
static void nodes_settle(struct withdraw *w)
{
	for (size_t i = w->left.n; i-- > 0;) {
		if (!w->left.v[i].seen)
			node_done(w, &w->left.v[i]);
	}
}

static int on_node(void *arg, enum kube_event event, const struct json *object, struct err *err)
{
	struct watching *on = arg;
	struct withdraw_node *n;
	const char *name;

	(void)err;
	if (event == KUBE_BEGIN) {
		vec_each(struct withdraw_node, one, &on->w->left)
			one->seen = false;
		on->synced = false;
	} else if (event == KUBE_SYNCED) {
		nodes_settle(on->w);
		on->synced = true;
	} else if (event == KUBE_REMOVED) {
		name = kube_meta(object, "name");
		n = name ? node_find(on->w, name) : NULL;
		if (n)
			node_done(on->w, n);
	} else {
		node_look(on, object);
	}
	return on->synced && on->w->left.n == 0 && deadline_passed(on->settled);
}

/* --- their pods --- */

static int on_pod(void *arg, enum kube_event event, const struct json *pod, struct err *err)
{
	struct watching *on = arg;
	const char *phase = pod ? json_get_text(json_get(pod, "status"), "phase") : NULL;
	const char *name = pod ? json_get_text(json_get(pod, "spec"), "nodeName") : NULL;
	struct withdraw_node *n = name ? node_find(on->w, name) : NULL;

	(void)err;
	/* A pod that has ended, such as an evicted one, does nothing any more. */
	if (event == KUBE_FOUND && n && !str_eq(phase, "Failed") && !str_eq(phase, "Succeeded"))
		n->has_pod = true;
	return 0;
}

/* Finds the nodes on which the DaemonSet has no pod. If the pods cannot be listed, all nodes are
 * waited for. */
static int find_pods(struct watching *on, struct kube *k, struct deadline all, struct err *err)
{
	AUTO(str) char *path = kube_path("api", "v1", "namespaces", on->w->space, "pods", NULL);
	struct kube_selection pods = { .path = path, .labels = on->pods };
	bool known;

	if (!on->pods || on->w->left.n == 0)
		return 0;
	vec_each(struct withdraw_node, n, &on->w->left)
		n->has_pod = false;
	known = kube_list(k, &pods, on_pod, on, deadline_min(deadline_in(LOOK_MS), all), err) == 0;
	if (err->code == E_CANCELLED)
		return -1;
	if (!known)
		log_err(LOG_DEBUG, err, "the pods of the DaemonSet are not known");
	err_clear(err);
	vec_each(struct withdraw_node, n, &on->w->left) {
		if (known && !n->has_pod && !n->alone)
			n->alone_since = clock_ms();
		n->alone = known && !n->has_pod;
	}
	return 0;
}

/* --- the end --- */

static bool is_down(const struct withdraw *w, const struct withdraw_node *n)
{
	return !n->ready && !w->unready && clock_ms() - n->unready_since >= grace_ms(w);
}

static bool is_lost(const struct withdraw *w, const struct withdraw_node *n)
{
	return !is_down(w, n) && n->alone && clock_ms() - n->alone_since >= grace_ms(w);
}

/* True if no node is left that has to be waited for. */
static bool is_over(const struct withdraw *w)
{
	vec_each(const struct withdraw_node, n, &w->left) {
		if (!is_down(w, n) && !is_lost(w, n))
			return false;
	}
	return true;
}

/* Adds a node to a list of names, of which NAMES_MAX are shown. */
static void add_name(struct buf *names, size_t *n, const struct withdraw_node *node)
{
	if ((*n)++ < NAMES_MAX)
		buf_fmt(names, "%s%s", *n == 1 ? "" : ", ", node->name);
}

static void end_names(struct buf *names, size_t n)
{
	if (n > NAMES_MAX)
		buf_fmt(names, " and %zu more", n - NAMES_MAX);
}

/* E_NOT_FOUND if nodes are left on which nobody uninstalls. */
static int check_lost(const struct withdraw *w, struct err *err)
{
	AUTO(buf) struct buf names = BUF_INIT(16384);
	size_t n = 0;

	vec_each(const struct withdraw_node, node, &w->left) {
		if (is_lost(w, node))
			add_name(&names, &n, node);
	}
	if (n == 0)
		return 0;
	end_names(&names, n);
	(void)err_set(err, E_NOT_FOUND,
		      "%zu nodes have something installed but no pod of DaemonSet %s, which would "
		      "uninstall it: %s",
		      n, w->owner, buf_cstr(&names));
	return hint_by_hand(w,
			    "let its nodeSelector, affinity and tolerations select these nodes "
			    "again, and repeat this",
			    err);
}

/* E_TIMEOUT. known: the nodes that are left are known. */
static int give_up(const struct withdraw *w, bool known, struct err *err)
{
	AUTO(buf) struct buf names = BUF_INIT(16384);
	size_t n = 0;

	if (!known) {
		(void)err_set(
			err, E_TIMEOUT,
			"the API server has not said within %u s which nodes have uninstalled",
			w->seconds);
		return err_hint(err, "the request stays; try again when the server answers");
	}
	vec_each(const struct withdraw_node, node, &w->left) {
		add_name(&names, &n, node);
		if (n <= NAMES_MAX)
			buf_fmt(&names, "%s%s%s%s", node->ready ? "" : " (not Ready)",
				node->alone ? " (without a pod)" : "", node->why ? ": " : "",
				node->why ? node->why : "");
	}
	end_names(&names, n);
	(void)err_set(err, E_TIMEOUT, "%zu of %llu nodes have not uninstalled within %u s: %s", n,
		      (unsigned long long)w->asked, w->seconds, buf_cstr(&names));
	return err_hint(err,
			"the request stays; see their Events and the log of their pods, then try "
			"again, or run kata-deploy uninstall there");
}

/* A server that does not answer now does later. */
static int make_late(struct watching *on, struct kube *k, struct deadline all, struct err *err)
{
	if (make(on, k, deadline_min(deadline_in(LOOK_MS), all), err) == 0)
		return 0;
	if (err->code != E_TIMEOUT && err->code != E_GONE)
		return -1;
	err_clear(err);
	return 0;
}

/* Watches for a while. Returns 1 when no node has to be waited for any more, 0 if not yet. */
static int watch(struct kube *k, struct watching *on, const struct kube_selection *nodes,
		 struct deadline all, struct err *err)
{
	uint64_t grace = grace_ms(on->w);
	struct deadline look = deadline_passed(on->settled)
				       ? deadline_in(grace < LOOK_MS ? grace : LOOK_MS)
				       : on->settled;
	int rc = kube_watch(k, nodes, on_node, on, deadline_min(look, all), err);

	if (rc == 0)
		return 1;
	if (err->code != E_TIMEOUT && (err->code != E_GONE || deadline_passed(all)))
		return -1;
	rc = err->code == E_GONE;
	err_clear(err);
	if (rc)
		return kube_pause(k, AWAY_MS, err);
	if (!on->synced)
		return 0;
	if (find_pods(on, k, all, err) < 0)
		return -1;
	return is_over(on->w) ? 1 : make_late(on, k, all, err);
}

static int run(struct watching *on, struct kube *k, const struct kube_selection *nodes,
	       struct err *err)
{
	struct withdraw *w = on->w;
	struct deadline all = deadline_in(w->seconds * 1000ULL);
	int rc = request(on, k, nodes, all, err);

	if (rc <= 0)
		return rc;
	on->settled = deadline_in(w->settle_ms ? w->settle_ms : WITHDRAW_SETTLE_MS);
	do {
		rc = watch(k, on, nodes, all, err);
		if (rc)
			return rc < 0 ? -1 : check_lost(w, err);
	} while (deadline_left(all) > 0);
	return give_up(w, on->synced, err);
}

int withdraw_run(struct withdraw *w, struct kube *k, struct err *err)
{
	AUTO(str) char *label = str_fmt(REPORT_PREFIX "%s", instance_of(w));
	AUTO(str)
	char *type = str_fmt("KataReady%s%s", str_empty(w->suffix) ? "" : "-",
			     w->suffix ? w->suffix : "");
	struct kube_selection nodes = { .path = "/api/v1/nodes", .labels = label };
	struct watching on = { .w = w, .type = type };
	int rc = run(&on, k, &nodes, err);

	free(on.pods);
	json_free(on.lease);
	return rc;
}
