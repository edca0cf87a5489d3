// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What `kata-deploy report` does: it hears from `kata-deploy node` what its node is
 * (deploy/node/message.h), says so to the cluster, and asks the cluster for node's turns.
 *
 *	struct report *r = report_new(&options, kube);
 *	...
 *	report_hear(r, &message);		// from node, at any time
 *	...
 *	uint64_t next = report_step(r);		// one round; in how many milliseconds the next one
 *	while (report_say(r, &message))		// what node is to be told
 *		...
 *
 * A round compares what is with what shall be, and changes what differs, so that nothing is lost
 * when a round fails, this program ends, or somebody changes the node meanwhile: the next round begins
 * with what is there. It is the same whether there is one node or, in a test, a thousand in
 * one process.
 *
 * Names. Everything on a node has the prefix "kata-deploy.katacontainers.io/"; INSTANCE is the
 * suffix of the installation, or "default".
 *
 *	label katacontainers.io/kata-runtime	"false": claimed, "true": pods can run. Of all
 *						instances together: "true" while one is
 *	label PREFIX INSTANCE			the same of this instance
 *	annotations PREFIX INSTANCE.version, .generation, .serial
 *	annotations PREFIX kata-runtime.set-by, INSTANCE.set-by
 *						that a label is ours: one without is somebody else's,
 *						and never touched
 *	condition KataReady[-SUFFIX]		status, reason and message
 *	annotation PREFIX INSTANCE.uninstall	somebody's request for this node; its value is an id
 *
 * In the namespace, Leases with the labels PREFIX instance and PREFIX kind:
 *
 *	kata-deploy.INSTANCE.turn-N		a turn; not there: it is free
 *	kata-deploy.INSTANCE.failed.NODE	a node whose turn failed
 *	kata-deploy.INSTANCE.uninstall		somebody's request for every node
 *
 * When node is uninstalled, everything but the requests is taken back, the labels last: who waits for
 * that waits for them. Start-up taints are removed last, when the label has been seen "true"
 * REPORT_STABLE times, since a kubelet that registers its node again takes labels away.
 *
 * Threads: report_step() on one, report_await() on another; the others on any.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/node/message.h"
#include "kube/kube.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_SHARED_LABEL "katacontainers.io/kata-runtime"
#define REPORT_PREFIX       "kata-deploy.katacontainers.io/"
#define REPORT_DEFAULT      "default"
#define REPORT_CONTROLLER   "katacontainers.io/kata-deploy"

enum {
	REPORT_STABLE = 6,
	REPORT_STABLE_MS = 2000,
	REPORT_IDLE_MS = 120000,    /* at most; about 80 requests in an hour */
	REPORT_STEP_MS = 30000,     /* the deadline of a round's requests */
	REPORT_SILENCE_MS = 120000, /* after which node's state is not known any more */
	REPORT_SUFFIX_MAX = 30,
	REPORT_BURST = 30, /* a whole installation has about ten */
	REPORT_REFILL_MS = 5000,
};

struct report_pace {
	const char *at_once; /* turns at a time: "3", or "10%" of the nodes, at least one */
	unsigned failures;   /* so many nodes whose turn failed stop the turns of the others */
	unsigned seconds;    /* after which a turn that is not renewed is over */
	const char *nodes;   /* a selector: the nodes of which at_once is a part; NULL: all */
	unsigned wait_ms;    /* the least pause between two questions for a turn; 0: usual */
};

struct report_options {
	const char *node, *suffix; /* suffix NULL or "": none */
	const char *space;         /* of the Leases; NULL: that of the account */
	char *const *taints;       /* KEY[=VALUE][:EFFECT] */
	struct report_pace pace;
	unsigned stable_ms, idle_ms; /* instead of the above; 0: those */
};

/* E_USAGE: a name, taint or number is none. */
MUST_CHECK int report_check(const struct report_options *o, struct err *err);

struct report;

/* Borrows options and client. */
struct report *report_new(const struct report_options *o, struct kube *k);
void report_free(struct report *r);
DEFINE_AUTO(report, struct report *, NULL, report_free)

/* A message from node. */
void report_hear(struct report *r, const struct message *m);
/* Node's connection came or went: after a new one, all that holds is said again. */
void report_connected(struct report *r, bool connected);
/* One round. Failures are logged, and tried again after a growing pause. */
uint64_t report_step(struct report *r);
/* The next round reads the Leases, however lately that was done. */
void report_hurry(struct report *r);
/*
 * Waits for the request to uninstall every node, so that it is not only seen in a round: calls come each
 * time that it is there. For a thread with a client of its own; returns -1 when it cannot go on
 * now (E_PERMISSION: rounds must do meanwhile), or was cancelled.
 */
MUST_CHECK int report_await(const struct report_options *o, struct kube *k, void (*come)(void *arg),
			    void *arg, struct err *err);
/* The next message for node; false: none. */
bool report_say(struct report *r, struct message *m);

/*
 * Rounds that follow each other on node's word: REPORT_BURST at once, then one in REPORT_REFILL_MS. Node may be
 * somebody else by now, and must not keep the API server busy with what it says.
 *
 *	struct report_rate rate = { 0 };
 *	uint64_t wait = report_rate(&rate, clock_ms());	// until the round that is due now may begin
 */
struct report_rate {
	uint64_t at; /* when all that was taken is there again */
};
uint64_t report_rate(struct report_rate *r, uint64_t now);

/* What it did so far, for tests and the log at the end. */
struct report_counts {
	uint64_t rounds, failures, turns, lost_turns;
	bool waiting, holding, stopped, done; /* done: uninstalled, and taken back */
};
struct report_counts report_counts(struct report *r);
