// SPDX-License-Identifier: Apache-2.0
/*
 * Whole pods of a DaemonSet, without the node: the state machine of node (deploy/node/machine.h)
 * and the rounds of report (deploy/report/report.h), with an API server that keeps objects. Jobs end
 * at once. A walk kills the pod of a node before and after each request to the API server.
 */

#include "tests/unit/cluster_lab.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/node/machine.h"
#include "deploy/report/report-internal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LEASES_OF "/apis/coordination.k8s.io/v1/namespaces/kata/leases/"
#define NODES     "/api/v1/nodes/"
#define EVENTS    "/events/"

/* ROUNDS_MAX: of all nodes, until a test fails. */
enum { PODS = 2, ROUNDS_MAX = 400, FAILURES = 3 };

struct pod {
	char name[16], path[64];
	struct report_options o;
	struct machine m;
	struct machine_kept kept; /* node.json */
	struct report *report;
	struct kube *k;
	struct node_state told; /* to report */
	bool heard_of;          /* report has had a state */
	bool installed;         /* the node has the release */
	bool broken;            /* installs fail */
	bool refuses;           /* uninstalls: pods run */
	unsigned installs, uninstalls, refusals;
};

static struct cluster c;
static struct pod pods[PODS];
static char dir[API_DIR];
static int cancel = -1;
/* The pod whose round runs, and the one that was killed at the cut. The server's thread uses them. */
static _Atomic(struct pod *) acting, killed;
static uint64_t now, wall;

/* --- a pod --- */

static const struct machine_options usual = { .quick_ms = 600 * 1000, .full_ms = 86400 * 1000 };

static void pod_begin(struct pod *p, bool has_kept)
{
	AUTO(str) char *config = path_join(dir, "config");
	struct kube_options access = { .kubeconfig = config, .pause_ms = 5, .cancel = cancel };
	struct err err = ERR_INIT;

	ck_assert_msg(kube_open(&access, &p->k, &err) == 0, "%s", err.msg);
	p->report = report_new(&p->o, p->k);
	report_connected(p->report, true);
	machine_init(&p->m, &usual, has_kept ? &p->kept : NULL, now, wall);
	p->heard_of = false;
	killed = NULL;
}

static void pod_end(struct pod *p)
{
	report_free(p->report);
	kube_free(p->k);
	p->report = NULL;
	p->k = NULL;
}

/* What the verbs would print. */
static void do_job(struct pod *p, enum node_job job)
{
	struct outcome o = { .job = job, .ok = true };

	if (job == JOB_INSTALL && p->broken) {
		o.ok = false;
		message_text(o.code, sizeof(o.code), "failed");
		message_text(o.message, sizeof(o.message), "no pod starts");
	} else if (job == JOB_INSTALL) {
		p->installed = o.restarted = true;
		p->installs++;
	} else if (job == JOB_UNINSTALL && p->refuses) {
		o.ok = false;
		message_text(o.code, sizeof(o.code), "state");
		message_text(o.message, sizeof(o.message), "2 running pods use it");
		p->refusals++;
	} else if (job == JOB_UNINSTALL) {
		p->installed = false;
		p->uninstalls++;
	} else if (job == JOB_PLAN) {
		o.changes = o.restart = !p->installed;
	}
	if (p->installed)
		message_text(o.version, sizeof(o.version), "1.0");
	o.installed = p->installed;
	machine_done(&p->m, &o, now, wall);
}

/* As send_state() of the program: the state is on disk before report gets it. */
static void tell(struct pod *p)
{
	struct message state = { .kind = MESSAGE_STATE, .state = p->m.state };
	struct message says[MACHINE_SAYS];
	unsigned n = machine_says(&p->m, says);

	p->kept = p->m.kept;
	if (p->heard_of && memcmp(&p->told, &p->m.state, sizeof(p->told)) == 0)
		return;
	p->told = p->m.state;
	p->heard_of = true;
	report_hear(p->report, &state);
	for (unsigned i = 0; i < n; i++) {
		report_hear(p->report, &says[i]);
		if (says[i].kind == MESSAGE_END_TURN)
			machine_said_end(&p->m);
	}
	p->kept = p->m.kept;
}

static void work(struct pod *p)
{
	enum node_job job = machine_next(&p->m, now, wall);

	for (tell(p); job; tell(p)) {
		do_job(p, job);
		job = machine_next(&p->m, now, wall);
	}
}

static void pod_round(struct pod *p)
{
	struct message m;

	acting = p;
	work(p);
	report_hurry(p->report);
	(void)report_step(p->report);
	while (killed != p && report_say(p->report, &m)) {
		machine_heard(&p->m, &m, wall);
		work(p);
	}
	now += 1000;
	wall++;
}

/* --- the cluster --- */

static void on_cut(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	killed = acting;
	ck_assert_int_eq(write(cancel, &one, sizeof(one)), sizeof(one));
}

static void setup(void)
{
	api_set_up(&c.api, dir);
	log_init("report", "test", LOG_LOGFMT, 2, LOG_ERROR);
}

static void begin(const char *at_once, uint64_t cut_at, bool after)
{
	now = 1000000;
	wall = 1700000000;
	cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cluster_start(&c);
	c.watched = ".turn-";
	c.at = cut_at;
	c.after = after;
	c.cut = on_cut;
	kube_free(api_client(&c.api, dir)); /* writes the kubeconfig */
	for (size_t i = 0; i < PODS; i++) {
		struct pod *p = &pods[i];
		AUTO(str) char *node = NULL;

		memset(p, 0, sizeof(*p));
		(void)str_print(p->name, sizeof(p->name), "n%zu", i);
		(void)str_print(p->path, sizeof(p->path), NODES "%s", p->name);
		p->o = (struct report_options){
			.node = p->name,
			.space = "kata",
			.adopted_ms = 1,
			.pace = { .at_once = at_once, .failures = FAILURES, .seconds = 60 },
		};
		node = str_fmt("{\"metadata\":{\"name\":\"%s\"},\"status\":{\"conditions\":[{"
			       "\"type\":\"Ready\",\"status\":\"True\"}]}}",
			       p->name);
		cluster_put(&c, p->path, node);
		pod_begin(p, false);
	}
}

static void end(void)
{
	for (size_t i = 0; i < PODS; i++)
		pod_end(&pods[i]);
	cluster_stop(&c);
	(void)close(cancel);
	cancel = -1;
}

static void teardown(void)
{
	if (cancel >= 0)
		end();
	api_tear_down(&c.api, dir);
}

static char *label_of(const struct pod *p, const char *label)
{
	AUTO(json) struct json *node = cluster_get(&c, p->path);
	const char *text = kube_meta_of(node, "labels", label);

	return text ? xstrdup(text) : NULL;
}

static bool is_ready(const struct pod *p)
{
	AUTO(str) char *own = label_of(p, REPORT_PREFIX REPORT_DEFAULT);
	AUTO(str) char *shared = label_of(p, REPORT_SHARED_LABEL);

	return p->installed && str_eq(own, "true") && str_eq(shared, "true");
}

/* No label, annotation or condition of ours is on the node. */
static bool is_bare(const struct pod *p)
{
	AUTO(json) struct json *node = cluster_get(&c, p->path);
	AUTO(str) char *text = json_format(node, false);

	return !p->installed && !strcasestr(text, "kata");
}

static bool all_are(bool (*fn)(const struct pod *p))
{
	for (size_t i = 0; i < PODS; i++) {
		if (!fn(&pods[i]))
			return false;
	}
	return true;
}

/* Rounds until that is true and no turn and no failure is left. The pod that is killed at the cut
 * begins again, with node.json or, if that is lost with the pod, without. */
static void rounds_until(bool (*fn)(const struct pod *p), bool lost, const char *what)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		struct pod *p = &pods[i % PODS];
		uint64_t drained;

		pod_round(p);
		if (killed == p) {
			pod_end(p);
			ck_assert_int_eq(read(cancel, &drained, sizeof(drained)), sizeof(drained));
			pod_begin(p, !lost);
		}
		if (all_are(fn) && !cluster_count(&c, ".turn-") && !cluster_count(&c, ".failed."))
			return;
	}
	ck_abort_msg("cut at request %llu%s%s: %s is not reached; %zu turns, %zu failures",
		     (unsigned long long)c.at, c.after ? ", after it" : "",
		     lost ? ", pod lost" : "", what, cluster_count(&c, ".turn-"),
		     cluster_count(&c, ".failed."));
}

#define REQUEST LEASES_OF "kata-deploy.default.uninstall"

static void put_request(const struct pod *p, bool all)
{
	static const char lease[] = "{\"metadata\":{\"name\":\"kata-deploy.default.uninstall\","
				    "\"labels\":{\"" REPORT_PREFIX "instance\":\"default\","
				    "\"" REPORT_PREFIX "kind\":\"uninstall\"}},"
				    "\"spec\":{\"holderIdentity\":\"me\"}}";

	if (all)
		cluster_put(&c, REQUEST, lease);
	else
		cluster_annotate(&c, p->path, REPORT_PREFIX "default.uninstall", "1");
}

static void remove_request(const struct pod *p, bool all)
{
	if (all)
		cluster_remove(&c, REQUEST);
	else
		cluster_annotate(&c, p->path, REPORT_PREFIX "default.uninstall", NULL);
}

/* The life of an installation, with a cut; returns the number of requests. */
static uint64_t live(uint64_t cut_at, bool after, bool lost)
{
	uint64_t requests;

	begin("1", cut_at, after);
	rounds_until(is_ready, lost, "the installation");
	put_request(NULL, true);
	rounds_until(is_bare, lost, "the uninstallation");
	ck_assert_uint_eq(c.most, 1);
	ck_assert_uint_eq(cluster_count(&c, "/leases/"), 1);
	for (size_t i = 0; i < PODS; i++)
		ck_assert_msg(pods[i].installs == 1 && pods[i].uninstalls >= 1,
			      "cut at request %llu%s%s: %u installs, %u uninstalls of %s",
			      (unsigned long long)cut_at, after ? ", after it" : "",
			      lost ? ", pod lost" : "", pods[i].installs, pods[i].uninstalls,
			      pods[i].name);
	requests = c.requests;
	end();
	return requests;
}

START_TEST(a_pod_is_killed_at_every_request)
{
	bool after = _i & 1, lost = _i & 2;
	uint64_t most = live(0, false, lost);

	for (uint64_t at = 1; at <= most; at++)
		(void)live(at, after, lost);
}
END_TEST

/* --- failures stop the turns --- */

/* The condition KataReady of the node: "STATUS REASON MESSAGE"; heap. */
static char *condition_of(const struct pod *p)
{
	AUTO(json) struct json *node = cluster_get(&c, p->path);
	const struct json *is = condition_find(node, "KataReady");

	return str_fmt("%s %s %s", is ? json_get_text(is, "status") : "-",
		       is ? json_get_text(is, "reason") : "-",
		       is ? json_get_text(is, "message") : "-");
}

/* The number of Events about the node with that reason and type. */
static size_t events_of(const struct pod *p, const char *reason, const char *type)
{
	size_t n = 0;

	ck_assert_int_eq(pthread_mutex_lock(&c.lock), 0);
	vec_each(struct cluster_object, o, &c.objects) {
		n += strstr(o->path, EVENTS) &&
		     str_eq(json_get_text(o->object, "reason"), reason) &&
		     str_eq(json_get_text(o->object, "type"), type) &&
		     str_eq(json_get_text(json_get(o->object, "regarding"), "name"), p->name);
	}
	ck_assert_int_eq(pthread_mutex_unlock(&c.lock), 0);
	return n;
}

static void put_failure(const char *node)
{
	AUTO(str) char *path = str_fmt(LEASES_OF "kata-deploy.default.failed.%s", node);
	AUTO(str)
	char *text =
		str_fmt("{\"metadata\":{\"name\":\"kata-deploy.default.failed.%s\",\"labels\":{"
			"\"" REPORT_PREFIX "instance\":\"default\",\"" REPORT_PREFIX
			"kind\":\"failed\"}},\"spec\":{\"holderIdentity\":\"%s\"}}",
			node, node);

	cluster_put(&c, path, text);
}

static void rounds(struct pod *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pod_round(p);
}

static void expect_stopped(const struct pod *p, const char *text)
{
	AUTO(str) char *is = condition_of(p);

	ck_assert_msg(str_starts(is, "False RolloutStopped ") && strstr(is, text) &&
			      strstr(is, "Leases kata-deploy.katacontainers.io/kind=failed"),
		      "%s", is);
	ck_assert_uint_eq(events_of(p, "RolloutStopped", "Warning"), 1);
	ck_assert(!p->installed);
	ck_assert_uint_eq(cluster_count(&c, ".turn-"), 0);
}

/* Three nodes failed: a node that waits says so and begins nothing, until one of the three is well
 * again or an administrator has removed its Lease. */
START_TEST(failures_stop_a_waiting_node)
{
	AUTO(str) char *after = NULL;

	begin("100%", 0, false);
	put_failure("x1");
	put_failure("x2");
	put_failure("x3");
	rounds(&pods[0], 30);
	expect_stopped(&pods[0], "no more turns are given: 3 nodes failed in theirs");
	cluster_remove(&c, LEASES_OF "kata-deploy.default.failed.x2");
	rounds(&pods[0], 30);
	after = condition_of(&pods[0]);
	ck_assert_msg(str_starts(after, "True Ready "), "%s", after);
	ck_assert(is_ready(&pods[0]));
	ck_assert_uint_eq(cluster_count(&c, ".failed."), 2);
}
END_TEST

/* The node that failed tries again, and when it succeeds the others go on. */
START_TEST(a_success_lets_the_others_go_on)
{
	begin("100%", 0, false);
	for (size_t i = 0; i < PODS; i++)
		pods[i].o.pace.failures = 1;
	pods[0].broken = true;
	rounds(&pods[0], 5);
	ck_assert_uint_eq(cluster_count(&c, ".failed.n0"), 1);
	ck_assert_uint_eq(events_of(&pods[0], "Failed", "Warning"), 1);
	rounds(&pods[1], 150);
	expect_stopped(&pods[1], "no more turns are given: 1 nodes failed in theirs");
	/* Its pause has passed meanwhile: it fails once more. */
	rounds(&pods[0], 5);
	ck_assert(pods[0].m.kept.failures == 2 && !pods[0].installed);
	pods[0].broken = false;
	rounds_until(is_ready, false, "the installation");
}
END_TEST

/* --- requests --- */

/* For one node or for all; report may have been restarted, or both programs, while the request was
 * removed. The pods that stopped the uninstall end only later. */
START_TEST(a_withdrawn_request_is_not_executed)
{
	bool all = _i & 1, restarted = _i & 2;
	struct pod *p = &pods[0];

	begin("100%", 0, false);
	rounds_until(is_ready, false, "the installation");
	p->refuses = true;
	put_request(p, all);
	rounds(p, 10);
	ck_assert_uint_eq(p->refusals, 1);
	if (restarted)
		pod_end(p);
	remove_request(p, all);
	if (restarted)
		pod_begin(p, true);
	rounds(p, 5);
	p->refuses = false;
	rounds(p, 2 * RETRY_MIN_S);
	ck_assert(p->uninstalls == 0 && is_ready(p));
	/* And another request is heard. */
	put_request(p, all);
	rounds(p, 10);
	ck_assert_uint_eq(p->uninstalls, 1);
}
END_TEST

/* A node whose pods stop the uninstall has not failed to install: others go on. The result may be
 * known only from the state, since report ended with the turn. */
START_TEST(a_refused_uninstall_stops_no_other_node)
{
	bool killed_then = _i & 1;
	struct pod *p = &pods[0];

	begin("100%", 0, false);
	for (size_t i = 0; i < PODS; i++)
		pods[i].o.pace.failures = 1;
	rounds(p, 10);
	p->refuses = true;
	put_request(p, false);
	while (!p->refusals)
		pod_round(p);
	ck_assert_uint_eq(cluster_count(&c, ".turn-"), 1);
	if (killed_then) {
		pod_end(p);
		pod_begin(p, true);
	}
	rounds(p, 10);
	ck_assert_uint_eq(cluster_count(&c, ".turn-"), 0);
	ck_assert_uint_eq(cluster_count(&c, ".failed."), 0);
	rounds(&pods[1], 10);
	ck_assert(is_ready(&pods[1]));
}
END_TEST

/* --- the pace --- */

#define SET        "/apis/apps/v1/namespaces/kata/daemonsets/set"
#define OTHER_SET  "/apis/apps/v1/namespaces/kata/daemonsets/other"
#define DESIRED(n) "{\"metadata\":{\"name\":\"set\"},\"status\":{\"desiredNumberScheduled\":" n "}}"

/* Has other nodes ask for turns, until one has to wait; returns how many got one. */
static unsigned turns_of_others(const struct report_options *o)
{
	enum { MOST = 20 };

	for (unsigned i = 0; i < MOST; i++) {
		struct report_options theirs = *o;
		AUTO(str) char *node = str_fmt("other%u", i);
		enum pace_answer how = PACE_WAIT;
		struct err err = ERR_INIT;
		struct pace p;

		theirs.node = node;
		pace_init(&p, &theirs, REPORT_DEFAULT, "kata");
		ck_assert_msg(pace_acquire(&p, pods[0].k, false, false, &how, soon(), &err) == 0,
			      "%s", err.msg);
		pace_release(&p);
		if (how != PACE_GO)
			return i;
	}
	return MOST;
}

/* Without the name of a DaemonSet it is a part of all nodes of the cluster. */
START_TEST(a_percentage_is_a_part_of_the_nodes_of_the_daemonset)
{
	static const struct {
		const char *at_once, *set; /* NULL: there is none */
		unsigned turns;
	} cases[] = {
		{ "50%", DESIRED("6"), 3 },
		{ "50%", DESIRED("0"), 1 },
		{ "50%", "{\"metadata\":{\"name\":\"set\"}}", 1 },
		{ "50%", "{\"status\":{\"desiredNumberScheduled\":\"x\"}}", 1 },
		{ "50%", NULL, 1 },
		{ "2", NULL, 2 },
	};
	struct report_options o;

	begin("50%", 0, false);
	o = pods[0].o;
	ck_assert_uint_eq(turns_of_others(&o), PODS / 2);
	end();
	begin(cases[_i].at_once, 0, false);
	o = pods[0].o;
	o.pace.set = "set";
	if (cases[_i].set)
		cluster_put(&c, SET, cases[_i].set);
	ck_assert_uint_eq(turns_of_others(&o), cases[_i].turns);
}
END_TEST

/* The pod may read its own DaemonSet only: it must not have to ask about that of an installation with
 * another name, whose request the cluster has not removed yet. */
START_TEST(a_request_for_another_daemonset_does_not_count)
{
	static const struct {
		const char *set, *owner;
		int counts;
	} cases[] = {
		{ "set", "set", 1 },  { "set", "other", 0 }, { "set", NULL, 1 }, /* made by hand */
		{ NULL, "other", 1 }, { NULL, "gone", 0 },
	};
	AUTO(json) struct json *set = NULL;
	struct err err = ERR_INIT;
	struct report_options o;
	struct pace p;

	begin("1", 0, false);
	cluster_put(&c, SET, DESIRED("1"));
	cluster_put(&c, OTHER_SET, "{\"metadata\":{\"name\":\"other\"}}");
	set = cluster_get(&c, str_eq(cases[_i].owner, "other") ? OTHER_SET : SET);
	o = pods[0].o;
	o.pace.set = cases[_i].set;
	pace_init(&p, &o, REPORT_DEFAULT, "kata");
	str_set(&p.uninstall, "1");
	str_set(&p.owner, cases[_i].owner);
	str_set(&p.owner_uid, cases[_i].owner ? kube_meta(set, "uid") : NULL);
	ck_assert_int_eq(request_counts(&p, pods[0].k, soon(), &err), cases[_i].counts);
	pace_release(&p);
}
END_TEST

/* The pod of a new DaemonSet may ask before the cluster has counted the nodes. */
START_TEST(nodes_that_are_not_counted_yet_are_asked_for_again)
{
	enum pace_answer how = PACE_WAIT;
	struct err err = ERR_INIT;
	struct report_options o;
	struct pace p;

	begin("50%", 0, false);
	o = pods[0].o;
	o.pace.set = "set";
	cluster_put(&c, SET, DESIRED("0"));
	ck_assert_uint_eq(turns_of_others(&o), 1);
	pace_init(&p, &o, REPORT_DEFAULT, "kata");
	ck_assert(pace_acquire(&p, pods[0].k, false, false, &how, soon(), &err) == 0);
	ck_assert_int_eq(how, PACE_WAIT);
	cluster_put(&c, SET, DESIRED("6"));
	ck_assert(pace_acquire(&p, pods[0].k, false, false, &how, soon(), &err) == 0);
	ck_assert_int_eq(how, PACE_GO);
	pace_release(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_pods");
	TCase *t = tcase_create("pods");

	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, failures_stop_a_waiting_node);
	tcase_add_test(t, a_success_lets_the_others_go_on);
	tcase_add_loop_test(t, a_withdrawn_request_is_not_executed, 0, 4);
	tcase_add_loop_test(t, a_refused_uninstall_stops_no_other_node, 0, 2);
	tcase_add_loop_test(t, a_percentage_is_a_part_of_the_nodes_of_the_daemonset, 0, 6);
	tcase_add_loop_test(t, a_request_for_another_daemonset_does_not_count, 0, 5);
	tcase_add_test(t, nodes_that_are_not_counted_yet_are_asked_for_again);
	tcase_add_loop_test(t, a_pod_is_killed_at_every_request, 0, 4);
	suite_add_tcase(s, t);
	return suite_run(s);
}
