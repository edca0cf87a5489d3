// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The controller of `kata-deploy report`: it receives the state of its node from `kata-deploy node`
 * (deploy/node/message.h), publishes it in the cluster, and acquires node's turns there.
 *
 *	struct report *r = report_new(&options, kube);
 *	...
 *	report_hear(r, &message);		// a message from node, at any time
 *	...
 *	uint64_t next = report_step(r);		// one round; ms until the next
 *	while (report_say(r, &message))		// messages for node
 *		...
 *
 * A round compares the actual state with the desired one and changes what differs. It keeps no
 * plans, so nothing is lost when a round fails, this program is restarted, or somebody changes the
 * node meanwhile. A test runs a thousand of these in one process.
 *
 * Names. All names on a node object but one have the prefix PREFIX,
 * "kata-deploy.katacontainers.io/". INSTANCE is the suffix of the installation, or "default".
 *
 *	label katacontainers.io/kata-runtime	"true": pods can run; "false": not yet. Shared by
 *						all instances: "true" if one of them is ready
 *	label PREFIX INSTANCE			the same for this instance
 *	annotations PREFIX INSTANCE.version, .generation, .serial
 *	annotations PREFIX kata-runtime.set-by, INSTANCE.set-by
 *						mark the two labels as ours; a label without the
 *						mark is somebody else's and never changed
 *	condition KataReady[-SUFFIX]		status, reason and message
 *	annotation PREFIX INSTANCE.uninstall	a request to uninstall this node; its value is an id
 *
 * In the namespace there are Leases with the labels PREFIX instance and PREFIX kind:
 *
 *	kata-deploy.INSTANCE.turn-N		a turn; if it does not exist, turn N is free
 *	kata-deploy.INSTANCE.failed.NODE	a node whose turn failed, unless it was to uninstall
 *	kata-deploy.INSTANCE.uninstall		a request to uninstall every node
 *
 * When node has uninstalled, everything but the requests is removed, the labels last: whoever waits
 * for the uninstall waits for them. Start-up taints are removed only after the label was "true" in
 * REPORT_STABLE rounds, since a kubelet that registers its node again removes labels.
 *
 * Threads: report_step() on one, report_await() on another; the other functions on any.
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
	REPORT_STABLE_MS = 2000,    /* between two of these rounds */
	REPORT_IDLE_MS = 120000,    /* between two rounds at most; about 80 requests in an hour */
	REPORT_STEP_MS = 30000,     /* deadline of the requests of a round */
	REPORT_SILENCE_MS = 120000, /* so long after the connection ended the state is unknown */
	REPORT_SUFFIX_MAX = 30,
	REPORT_BURST = 30, /* rounds; a whole installation causes about ten */
	REPORT_REFILL_MS = 5000,
};

struct report_pace {
	const char *at_once; /* turns at a time: "3", or "10%" of the nodes, at least one */
	unsigned failures; /* after so many nodes have failed in their turn, no turns are granted */
	unsigned seconds;  /* after which a turn that is not renewed is free */
	/* A DaemonSet in the namespace: a percentage is a part of the nodes that shall have a pod of
	 * it. A request to uninstall that another DaemonSet owns does not count. NULL: of all nodes, and
	 * every owner counts that exists. */
	const char *set;
	unsigned wait_ms; /* the least pause between two attempts to get a turn; 0: the default */
};

struct report_options {
	const char *node, *suffix; /* names of node and instance; suffix NULL or "": none */
	const char *space;         /* namespace of the Leases; NULL: that of the service account */
	char *const *taints;       /* start-up taints, KEY[=VALUE][:EFFECT]; strv */
	struct report_pace pace;
	/* For tests; 0: the usual. stable_ms: instead of REPORT_STABLE_MS, idle_ms: instead of
	 * REPORT_IDLE_MS, adopted_ms: after so long a turn that node does not request is given
	 * back. */
	unsigned stable_ms, idle_ms, adopted_ms;
};

/* E_USAGE: a name, taint or number is invalid. */
MUST_CHECK int report_check(const struct report_options *o, struct err *err);

struct report;

/* Borrows options (which report_check() accepts) and client. Free with report_free(). */
struct report *report_new(const struct report_options *o, struct kube *k);
void report_free(struct report *r);
DEFINE_AUTO(report, struct report *, NULL, report_free)

/* Takes a message from node, for the next round. */
void report_hear(struct report *r, const struct message *m);
/* To call when a connection to node has been made or has ended. */
void report_connected(struct report *r, bool connected);
/* Runs one round; returns the ms until the next. Failures are logged, and the round is repeated
 * after a pause that grows. */
uint64_t report_step(struct report *r);
/* Makes the next round read the Leases, even if they were read a moment ago. */
void report_hurry(struct report *r);
/*
 * Waits for the request to uninstall every node, so that it is noticed before the next round: calls
 * come each time that the request is found or withdrawn. For a thread with a client of its own.
 * Returns -1 when the watch ends (E_PERMISSION: only rounds can notice the request), or was
 * cancelled.
 */
MUST_CHECK int report_await(const struct report_options *o, struct kube *k, void (*come)(void *arg),
			    void *arg, struct err *err);
/* Fills the next message for node; returns false if there is none. */
bool report_say(struct report *r, struct message *m);

/*
 * Limits the rounds that node's messages cause: REPORT_BURST at once, then one in REPORT_REFILL_MS.
 * An attacker who controls node must not be able to keep the API server busy.
 *
 *	struct report_rate rate = { 0 };
 *	uint64_t wait = report_rate(&rate, clock_ms());	// ms until a round may begin
 */
struct report_rate {
	uint64_t at; /* when the whole burst is available again, as clock_ms() */
};
uint64_t report_rate(struct report_rate *r, uint64_t now);

/* For tests and the log at the end. */
struct report_counts {
	uint64_t rounds, failures, turns, lost_turns;
	bool waiting, holding, stopped; /* for a turn; has one; turns are stopped by failures */
	bool done;                      /* node has uninstalled, and everything was removed */
};
struct report_counts report_counts(struct report *r);
