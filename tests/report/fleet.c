// SPDX-License-Identifier: Apache-2.0
/*
 * Simulates many nodes of a real cluster. Each runs the code of `kata-deploy report` with a
 * simulated node program, which waits for its turn, is busy for a while, succeeds or fails, and
 * uninstalls on request. Meanwhile another client watches the Leases and counts the turns.
 *
 *	fleet --kubeconfig FILE --nodes 1000 --at-once 10% --node-ms 5000
 *
 * Prints figures as "NAME VALUE". Exits with 1 if one is out of its bounds: more turns at a time
 * than allowed, a longer time than allowed, or a node object that is not as before after the
 * uninstall.
 */

#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/report/report-internal.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { THREADS = 16, TICK_MS = 20, WAIT_S = 1800 };

static struct {
	const char *kubeconfig, *at_once, *cause, *suffix, *prefix;
	unsigned nodes, node_ms, failures, broken, crashes, seconds, idle, wait_ms, slack;
	bool keep;
} o = { .at_once = "10%",
	.prefix = "fleet",
	.nodes = 50,
	.node_ms = 1000,
	.failures = 3,
	.seconds = 120,
	.slack = 10 };

static const struct opt opts[] = {
	OPT_STR(0, "kubeconfig", "FILE", &o.kubeconfig, ""),
	OPT_UINT(0, "nodes", "N", &o.nodes, "how many"),
	OPT_STR(0, "prefix", "NAME", &o.prefix, "of their names"),
	OPT_STR(0, "suffix", "NAME", &o.suffix, "of the installation"),
	OPT_STR(0, "at-once", "N|P%", &o.at_once, "turns at a time"),
	OPT_UINT(0, "node-ms", "N", &o.node_ms, "how long a node is busy in its turn"),
	OPT_UINT(0, "failures", "M", &o.failures, "that stop the others"),
	OPT_UINT(0, "broken", "N", &o.broken, "nodes whose turns fail, while the cause is there"),
	OPT_STR(0, "cause", "FILE", &o.cause, "removed when everything has stopped"),
	OPT_UINT(0, "crashes", "N", &o.crashes, "nodes that vanish in their turns, and come back"),
	OPT_UINT(0, "turn-seconds", "N", &o.seconds, ""),
	OPT_UINT(0, "wait-ms", "N", &o.wait_ms, "between two questions for a turn"),
	OPT_UINT(0, "idle", "S", &o.idle, "count requests for S seconds when all are ready"),
	OPT_UINT(0, "slack", "P", &o.slack, "per cent that it may take longer than arithmetic"),
	OPT_FLAG(0, "keep", &o.keep, "do not take everything back"),
	OPT_END,
};

struct node {
	char name[64];
	struct report_options options;
	struct report *report;
	struct message state;
	uint64_t next, until,
		back; /* as clock_ms(): round; end of the turn; return of one that vanished */
	unsigned turns, hurried;
	bool broken, crashes, late, busy, waits, ready, failed, done;
};

struct crew { /* a thread and its nodes */
	pthread_t thread;
	struct kube *k;
	size_t first, last;
};

static struct node *all;
static struct crew crews[THREADS];
static atomic_bool stop;
static atomic_uint ready, stopped, done, most;
static atomic_uint hurry; /* rounds that shall begin at once */
static atomic_uint begun; /* broken nodes that have had a turn */
static _Atomic uint64_t first_turn, last_ready;

/* --- a node --- */

static void say_state(struct node *n, enum node_phase phase)
{
	n->state.kind = MESSAGE_STATE;
	n->state.state.phase = phase;
	n->state.state.ready = n->ready;
	n->state.state.claimed = phase != PHASE_STARTING && phase != PHASE_WAITING &&
				 phase != PHASE_UNINSTALLED;
	if (n->ready) {
		message_text(n->state.state.version, MESSAGE_NAME, "1.0");
		n->state.state.serial = 7;
	}
	report_hear(n->report, &n->state);
	n->next = 0;
}

static void ask(struct node *n, bool held)
{
	struct message m = { .kind = MESSAGE_WANT_TURN, .held = held };

	(void)str_print(m.id, sizeof(m.id), "turn-%u", n->turns);
	say_state(n, held ? PHASE_INSTALLING : PHASE_WAITING);
	report_hear(n->report, &m);
	n->waits = !held;
}

static void end(struct node *n)
{
	bool good = !n->broken || !o.cause || !path_exists(o.cause);
	struct message m = { .kind = MESSAGE_END_TURN, .good = good };

	(void)str_print(m.id, sizeof(m.id), "turn-%u", n->turns++);
	n->busy = false;
	report_hear(n->report, &m);
	if (good) {
		n->ready = true;
		n->failed = false;
		say_state(n, PHASE_READY);
		atomic_fetch_add(&ready, 1);
		atomic_store(&last_ready, clock_ms());
		return;
	}
	n->failed = true;
	say_state(n, PHASE_FAILED);
	n->until = clock_ms() + 10 * (uint64_t)o.node_ms; /* when it tries again */
}

static void hear(struct node *n, const struct message *m)
{
	uint64_t none = 0;

	if (m->kind == MESSAGE_TURN && n->waits) {
		(void)atomic_compare_exchange_strong(&first_turn, &none, clock_ms());
		atomic_fetch_add(&begun, n->broken && n->turns == 0);
		n->waits = false;
		n->busy = true;
		n->until = clock_ms() + o.node_ms;
		say_state(n, PHASE_INSTALLING);
	} else if (m->kind == MESSAGE_UNINSTALL && !n->done) {
		n->ready = false;
		n->done = true;
		say_state(n, PHASE_UNINSTALLED);
	}
}

static void start(struct node *n, struct kube *k)
{
	n->report = report_new(&n->options, k);
	report_connected(n->report, true);
}

/* In the middle of its turn both programs vanish, and the kubelet starts them again only after the
 * turn has expired. */
static void crash(struct node *n)
{
	n->crashes = false;
	report_free(n->report);
	n->report = NULL;
	n->back = clock_ms() + o.seconds * 1500ULL;
}

static void work(struct node *n, struct kube *k)
{
	uint64_t now = clock_ms();
	struct report_counts before, after;
	struct message m;

	if (!n->report) {
		if (now < n->back)
			return;
		start(n, k);
		ask(n, true);
		n->until = now + o.node_ms;
	}
	if (n->late && atomic_load(&begun) >= o.broken) {
		n->late = false;
		ask(n, false);
	}
	if (n->busy && n->crashes && now + o.node_ms / 2 >= n->until) {
		crash(n);
		return;
	}
	if (n->busy && now >= n->until)
		end(n);
	if (n->failed && now >= n->until) {
		n->failed = false;
		ask(n, false);
	}
	if (now < n->next && n->hurried == atomic_load(&hurry))
		return;
	n->hurried = atomic_load(&hurry);
	before = report_counts(n->report);
	n->next = clock_ms() + report_step(n->report);
	after = report_counts(n->report);
	if (after.stopped != before.stopped)
		atomic_fetch_add(&stopped, after.stopped ? 1U : ~0U);
	if (after.done && !before.done)
		atomic_fetch_add(&done, 1);
	while (report_say(n->report, &m))
		hear(n, &m);
}

static void *run_crew(void *arg)
{
	struct crew *c = arg;

	while (!atomic_load(&stop)) {
		uint64_t begin = clock_ms();

		for (size_t i = c->first; i < c->last && !atomic_load(&stop); i++)
			work(&all[i], c->k);
		if (clock_ms() - begin < TICK_MS)
			(void)poll(NULL, 0, TICK_MS);
	}
	return NULL;
}

/* --- the watcher of the Leases --- */

struct watcher {
	struct kube *k;
	pthread_t thread;
	char **turns; /* names */
};

static int count_turn(void *arg, enum kube_event event, const struct json *lease, struct err *err)
{
	struct watcher *w = arg;
	const char *name = lease ? kube_meta(lease, "name") : "";
	unsigned n;

	(void)err;
	if (event == KUBE_BEGIN) {
		strv_free(w->turns);
		w->turns = NULL;
	}
	if (event == KUBE_REMOVED)
		strv_remove(w->turns, name);
	if ((event == KUBE_FOUND || event == KUBE_CHANGED) && strstr(name, ".turn-") &&
	    !strv_has(w->turns, name))
		strv_push(&w->turns, name);
	n = (unsigned)strv_len(w->turns);
	if (n > atomic_load(&most))
		atomic_store(&most, n);
	return 0;
}

static void *watch_turns(void *arg)
{
	struct watcher *w = arg;
	AUTO(str) char *path = kube_path(KUBE_LEASES, kube_namespace(w->k), "leases", NULL);
	AUTO(str)
	char *labels = str_fmt(REPORT_PREFIX "instance=%s", o.suffix ? o.suffix : REPORT_DEFAULT);
	struct kube_selection s = { .path = path, .labels = labels };

	while (!atomic_load(&stop)) {
		struct err err = ERR_INIT;

		if (kube_watch(w->k, &s, count_turn, w, DEADLINE_NEVER, &err) < 0 &&
		    err.code != E_CANCELLED)
			log_err(LOG_WARN, &err, "watch");
	}
	return NULL;
}

/* --- the cluster --- */

static void die(const struct err *err)
{
	(void)fprintf(stderr, "fleet: %s\n", err->msg);
	exit(1);
}

static int make_node(void *arg, size_t i, struct err *err)
{
	AUTO(kube) struct kube *k = kube_clone(arg);
	AUTO(json) struct json *node = json_make_object(), *made = NULL;
	struct json *meta = json_make_object(), *labels = json_make_object();

	json_put(node, "apiVersion", json_make_string("v1"));
	json_put(node, "kind", json_make_string("Node"));
	json_put(meta, "name", json_make_string(all[i].name));
	json_put(labels, "fleet", json_make_string(o.prefix));
	json_put(meta, "labels", labels);
	json_put(node, "metadata", meta);
	made = kube_create(k, "/api/v1/nodes", node, deadline_in(60000), err);
	return made || err->code == E_EXISTS ? (err_clear(err), 0) : -1;
}

/* No label, condition or Lease of ours may be left. */
static int check_node(void *arg, enum kube_event event, const struct json *node, struct err *err)
{
	unsigned *bad = arg;
	struct json *meta, *labels;
	AUTO(str) char *text = NULL;

	(void)err;
	if (event != KUBE_FOUND)
		return 0;
	meta = json_get(node, "metadata");
	labels = json_get(meta, "labels");
	text = json_get(meta, "annotations") ? json_format(json_get(meta, "annotations"), false)
					     : xstrdup("");
	AUTO(str) char *status = json_format(json_get(node, "status"), false);
	if ((labels && json_count(labels) != 1) || strstr(text, "kata") || strstr(status, "Kata")) {
		(void)fprintf(stderr, "%s is not as it was: %s %s\n", kube_meta(node, "name"), text,
			      status);
		(*bad)++;
	}
	return 0;
}

static void ask_uninstall(struct kube *k)
{
	const char *instance = o.suffix ? o.suffix : REPORT_DEFAULT;
	AUTO(str) char *name = str_fmt("kata-deploy.%s.uninstall", instance);
	const char *const labels[] = { REPORT_PREFIX "instance", instance, REPORT_PREFIX "kind",
				       "uninstall", NULL };
	struct kube_lease l = {
		.space = kube_namespace(k), .name = name, .holder = "fleet", .labels = labels
	};
	struct err err = ERR_INIT;

	if (kube_lease_acquire(k, &l, deadline_in(60000), &err) < 0 && err.code != E_EXISTS)
		die(&err);
}

static bool wait_until(atomic_uint *what, unsigned n)
{
	struct deadline deadline = deadline_in(WAIT_S * 1000ULL);

	while (atomic_load(what) < n && !deadline_passed(deadline))
		(void)poll(NULL, 0, 50);
	return atomic_load(what) >= n;
}

static uint64_t requests(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < THREADS; i++)
		n += kube_requests(crews[i].k);
	return n;
}

/* --- the course of the test --- */

static int failures;

static void figure(const char *name, double value, bool good)
{
	(void)printf("%s %.3f%s\n", name, value, good ? "" : "  <-- out of bounds");
	(void)fflush(stdout);
	failures += !good;
}

static void set_up(struct kube *k)
{
	struct err err = ERR_INIT;

	all = xcalloc(o.nodes, sizeof(*all));
	for (size_t i = 0; i < o.nodes; i++) {
		struct node *n = &all[i];

		(void)str_print(n->name, sizeof(n->name), "%s-%zu", o.prefix, i);
		n->broken = i < o.broken;
		n->crashes = i >= o.broken && i < o.broken + o.crashes;
		n->options = (struct report_options){
			.node = n->name,
			.suffix = o.suffix,
			.stable_ms = o.node_ms < REPORT_STABLE_MS ? o.node_ms : 0,
			.pace = { .at_once = o.at_once,
				  .failures = o.failures,
				  .seconds = o.seconds,
				  .wait_ms = o.wait_ms },
		};
		if (report_check(&n->options, &err) < 0)
			die(&err);
	}
	if (parallel_each(o.nodes, make_node, k, &err) < 0)
		die(&err);
}

static void begin(struct kube *k)
{
	for (size_t i = 0; i < THREADS; i++) {
		struct crew *c = &crews[i];

		c->k = kube_clone(k);
		c->first = o.nodes * i / THREADS;
		c->last = o.nodes * (i + 1) / THREADS;
		for (size_t j = c->first; j < c->last; j++) {
			start(&all[j], c->k);
			/* Others must still wait when these nodes have failed. */
			all[j].late = o.broken && o.cause && !all[j].broken;
			if (!all[j].late)
				ask(&all[j], false);
		}
		if (pthread_create(&c->thread, NULL, run_crew, c) != 0)
			bug("no thread");
	}
}

static void play_failures(void)
{
	/* Every waiting node gets the news. */
	unsigned waiting = o.nodes - o.broken - o.crashes;

	if (!o.broken || !o.cause)
		return;
	(void)wait_until(&stopped, 1);
	for (unsigned before = ~0U; before != atomic_load(&ready);) {
		before = atomic_load(&ready);
		(void)poll(NULL, 0, (int)(o.node_ms * 5));
	}
	figure("ready when it stopped", atomic_load(&ready), atomic_load(&ready) < waiting);
	figure("told that it stopped", atomic_load(&stopped), atomic_load(&stopped) > 0);
	(void)unlink(o.cause);
}

static void play_idle(void)
{
	uint64_t before;

	if (!o.idle)
		return;
	(void)poll(NULL, 0, (int)o.node_ms * (REPORT_STABLE + 4) + 10000);
	before = requests();
	(void)poll(NULL, 0, (int)o.idle * 1000);
	double rate = (double)(requests() - before) * 3600 / o.idle / o.nodes;

	figure("requests per node and hour, idle", rate, rate <= 120);
}

static void play_end(struct kube *k)
{
	AUTO(str) char *labels = str_fmt("fleet=%s", o.prefix);
	struct kube_selection s = { .path = "/api/v1/nodes", .labels = labels };
	struct err err = ERR_INIT;
	unsigned bad = 0;

	if (o.keep)
		return;
	ask_uninstall(k);
	for (int i = 0; i < 60 && atomic_load(&done) < o.nodes; i++) {
		/* The next rounds would come only in a minute or two. */
		atomic_fetch_add(&hurry, 1);
		for (int j = 0; j < 120 && atomic_load(&done) < o.nodes; j++)
			(void)poll(NULL, 0, 100);
	}
	figure("uninstalled", atomic_load(&done), atomic_load(&done) >= o.nodes);
	if (kube_list(k, &s, check_node, &bad, deadline_in(60000), &err) < 0)
		die(&err);
	figure("nodes that are not as they were", bad, bad == 0);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	AUTO(kube) struct kube *k = NULL;
	struct watcher w = { 0 };
	uint64_t limit, one = 1;
	int cancel = eventfd(0, EFD_CLOEXEC);

	log_init("fleet", "test", LOG_LOGFMT, 2, LOG_WARN);
	if (opt_parse(opts, OPT_PLAIN, argc, argv, &err) < 0)
		die(&err);
	struct kube_options access = { .kubeconfig = o.kubeconfig, .cancel = cancel };
	if (kube_open(&access, &k, &err) < 0)
		die(&err);
	set_up(k);
	if (pace_limit(o.at_once, o.nodes, &limit, &err) < 0)
		die(&err);
	w.k = kube_clone(k);
	if (pthread_create(&w.thread, NULL, watch_turns, &w) != 0)
		bug("no thread");
	begin(k);
	play_failures();
	bool finished = wait_until(&ready, o.nodes);
	double took = (double)(atomic_load(&last_ready) - atomic_load(&first_turn)) / 1000;
	double waves = (double)((o.nodes + limit - 1) / limit) * o.node_ms / 1000;
	figure("ready", atomic_load(&ready), finished);
	figure("turns allowed at a time", (double)limit, true);
	figure("turns seen at a time", atomic_load(&most),
	       atomic_load(&most) <= limit + o.crashes && atomic_load(&most) > 0);
	figure("seconds", took, true);
	figure("of arithmetic", took / waves,
	       o.broken || o.crashes || took <= waves * (100 + o.slack) / 100);
	figure("requests per node", (double)requests() / o.nodes, true);
	play_idle();
	play_end(k);
	atomic_store(&stop, true);
	(void)!write(cancel, &one, sizeof(one));
	for (size_t i = 0; i < THREADS; i++)
		(void)pthread_join(crews[i].thread, NULL);
	(void)pthread_join(w.thread, NULL);
	for (size_t i = 0; i < o.nodes; i++)
		report_free(all[i].report);
	for (size_t i = 0; i < THREADS; i++)
		kube_free(crews[i].k);
	strv_free(w.turns);
	kube_free(w.k);
	free(all);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
