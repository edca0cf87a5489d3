// SPDX-License-Identifier: Apache-2.0
/*
 * kata-deploy report: a loop for the connection to node and the signals; a thread for the rounds,
 * which call the API server and may take long; and a thread that waits for a request to uninstall
 * every node.
 */

#include "deploy/report/report.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/report/link.h"
#include "deploy/verbs/verbs.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PACE_AT_ONCE "10%"
enum { PACE_FAILURES = 3, PACE_SECONDS = 120, AWAIT_MIN_MS = 2000, AWAIT_MAX_MS = 600000 };

/* File descriptors of the loop, of the connection to node, and of two threads that send requests. */
enum { FDS_NEEDED = 24 };

static struct {
	const char *node, *socket, *kubeconfig, *context, *suffix, *space, *set, *at_once;
	char **taints;
	unsigned failures, seconds;
	bool verbose;
} o = { .failures = PACE_FAILURES, .seconds = PACE_SECONDS, .at_once = PACE_AT_ONCE };

const struct opt report_opts[] = {
	OPT_STR(0, "node", "NAME", &o.node, "the node's name in the cluster; default: $NODE_NAME"),
	OPT_PATH(0, "socket", "FILE", &o.socket, "of node; default: " MESSAGE_SOCKET),
	OPT_PATH(0, "kubeconfig", "FILE", &o.kubeconfig, "default: the pod's service account"),
	OPT_STR(0, "context", "NAME", &o.context, "of the kubeconfig; default: its current one"),
	OPT_STR(0, "namespace", "NAME", &o.space, "of the Leases; default: the account's"),
	OPT_STR(0, "suffix", "NAME", &o.suffix, "name of this installation beside others"),
	OPT_STRV(0, "startup-taints", "LIST", &o.taints,
		 "KEY[=VALUE][:EFFECT],... to remove when ready"),
	OPT_STR(0, "at-once", "N|P%", &o.at_once,
		"how many nodes restart at a time; default: " PACE_AT_ONCE),
	OPT_STR(0, "daemonset", "NAME", &o.set, "P% is a part of its nodes; default: of all"),
	OPT_UINT(0, "failures", "M", &o.failures,
		 "stop when so many nodes have failed; default: 3"),
	OPT_UINT(0, "turn-seconds", "N", &o.seconds,
		 "a turn that is not renewed ends; default: 120"),
	OPT_FLAG('v', "verbose", &o.verbose, "log more"),
	OPT_END,
};

struct program {
	struct loop *loop;
	struct link *link;
	const struct report_options *options;
	struct report *report;
	struct kube *other; /* a client for the thread that waits for a request */
	int cancel;
	pthread_mutex_t lock; /* guards stopping and news */
	bool stopping, news;  /* news: begin a round now */
	pthread_cond_t changed;
	struct report_rate rate; /* limits the rounds that news cause */
};

/* --- the rounds --- */

static void wake(struct program *p, bool stop)
{
	(void)pthread_mutex_lock(&p->lock);
	p->news = true;
	p->stopping = p->stopping || stop;
	(void)pthread_cond_signal(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

/* Sends the messages of a round to node; runs on the loop. */
static void deliver(void *arg)
{
	struct program *p = arg;
	struct message m;

	while (p->link && report_say(p->report, &m))
		link_say(p->link, &m);
}

/* Waits until the next round is due; returns false when the program ends. */
static bool rest(struct program *p, uint64_t ms)
{
	struct deadline deadline = deadline_in(ms);
	bool go_on;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->news && !p->stopping && cond_wait_until(&p->changed, &p->lock, deadline))
		;
	if (p->news)
		deadline = deadline_in(report_rate(&p->rate, clock_ms()));
	while (p->news && !p->stopping && cond_wait_until(&p->changed, &p->lock, deadline))
		;
	p->news = false;
	go_on = !p->stopping;
	(void)pthread_mutex_unlock(&p->lock);
	return go_on;
}

static void *rounds(void *arg)
{
	struct program *p = arg;
	uint64_t next;

	do {
		next = report_step(p->report);
		loop_post(p->loop, deliver, p);
	} while (rest(p, next));
	return NULL;
}

/* --- the wait for a request --- */

static void on_request(void *arg)
{
	struct program *p = arg;

	report_hurry(p->report);
	wake(p, false);
}

static bool is_stopping(struct program *p)
{
	bool yes;

	(void)pthread_mutex_lock(&p->lock);
	yes = p->stopping;
	(void)pthread_mutex_unlock(&p->lock);
	return yes;
}

/* Repeats the watch after every error: a token may be replaced, a server come back, a missing
 * permission be granted. Meanwhile rounds notice a request, some minutes late. */
static void *await(void *arg)
{
	struct program *p = arg;
	struct err err = ERR_INIT;
	unsigned pause = 0;

	while (!is_stopping(p)) {
		uint64_t began = clock_ms();
		int rc = report_await(p->options, p->other, on_request, p, &err);

		if (rc == 0 || clock_ms() - began > AWAIT_MAX_MS)
			pause = 0;
		if (rc < 0 && err.code != E_CANCELLED)
			log_err(pause ? LOG_DEBUG : LOG_WARN, &err,
				"cannot watch for requests to uninstall; they are noticed late");
		err_clear(&err);
		pause = pause ? 2 * pause : AWAIT_MIN_MS;
		if (pause > AWAIT_MAX_MS)
			pause = AWAIT_MAX_MS;
		if (kube_pause(p->other, pause, &err) < 0)
			break;
	}
	return NULL;
}

/* --- the loop --- */

static void on_link(void *arg, const struct message *m, bool connected)
{
	struct program *p = arg;

	if (m)
		report_hear(p->report, m);
	else
		report_connected(p->report, connected);
	/* A new connection alone changes nothing: node will send its state. */
	if (m || !connected)
		wake(p, false);
}

static void on_signal(void *arg, int signo)
{
	struct program *p = arg;

	log_info("ends", LOG_I("signal", signo));
	loop_stop(p->loop);
}

static int run(struct program *p, struct err *err)
{
	void *(*const work[])(void *) = { rounds, await };
	pthread_t threads[ARRAY_LEN(work)];
	uint64_t one = 1;
	size_t n = 0;

	while (n < ARRAY_LEN(work) && pthread_create(&threads[n], NULL, work[n], p) == 0)
		n++;
	if (n == ARRAY_LEN(work))
		loop_run(p->loop);
	else
		(void)err_set(err, E_LIMIT,
			      "no thread can be started; give the container more processes");
	wake(p, true);
	(void)!write(p->cancel, &one, sizeof(one));
	while (n-- > 0)
		(void)pthread_join(threads[n], NULL);
	return err->code ? -1 : 0;
}

static int serve(const struct report_options *options, struct kube *k, int cancel, struct err *err)
{
	struct program p = { .cancel = cancel, .options = options };
	sigset_t signals;
	int rc;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_mutex_init(&p.lock, NULL);
	cond_init(&p.changed);
	p.loop = loop_new(err);
	if (!p.loop || !loop_signals(p.loop, &signals, on_signal, &p, err)) {
		loop_free(p.loop);
		return -1;
	}
	p.report = report_new(options, k);
	p.other = kube_clone(k);
	p.link = link_new(p.loop, o.socket, on_link, &p);
	rc = run(&p, err);
	link_free(p.link);
	p.link = NULL;
	/* Runs posted functions; deliver() finds no link. */
	loop_free(p.loop);
	report_free(p.report);
	kube_free(p.other);
	return rc;
}

static char **split_taints(void)
{
	char **list = NULL;

	strv_each(some, o.taints) {
		AUTO(strv) char **parts = strv_split(*some, ",");

		strv_each(one, parts)
			strv_push(&list, *one);
	}
	return list;
}

int verb_report(int argc, char **argv, struct err *err)
{
	AUTO(strv) char **taints = split_taints();
	AUTO(fd) int cancel = eventfd(0, EFD_CLOEXEC);
	AUTO(kube) struct kube *k = NULL;
	struct report_options options = {
		.node = o.node ? o.node : getenv("NODE_NAME"),
		.suffix = o.suffix,
		.space = o.space,
		.taints = taints,
		.pace = { .at_once = o.at_once,
			  .failures = o.failures,
			  .seconds = o.seconds,
			  .set = o.set },
	};

	(void)argc, (void)argv;
	log_set_level(o.verbose ? LOG_DEBUG : LOG_INFO);
	if (!o.socket)
		o.socket = MESSAGE_SOCKET;
	if (cancel < 0)
		return err_sys(err, "make an event fd");
	if (fd_check_room(FDS_NEEDED, err) < 0 || report_check(&options, err) < 0)
		return -1;
	struct kube_options access = { .kubeconfig = o.kubeconfig,
				       .context = o.context,
				       .cancel = cancel };
	if (kube_open(&access, &k, err) < 0)
		return -1;
	return serve(&options, k, cancel, err);
}
