// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Asks every node of a cluster to take back what kata-deploy has installed there, and waits until
 * they have. For whoever removes the DaemonSet afterwards (a chart's hook): without it nothing would be left on the
 * node that could.
 *
 *	AUTO(withdraw) struct withdraw w = { .suffix = NULL, .space = "kube-system",
 *					     .owner = "kata-deploy", .seconds = 600 };
 *	if (withdraw_run(&w, kube, err) < 0)
 *		...			// w.left says which nodes have not, also then
 *
 * A node is asked if it has the label of the instance, or gets it while it is asked, and has done it when
 * that is gone. An API server that is away is waited for, too. The request is a Lease
 * (report.h), which stays: a node's pod that is started again before the DaemonSet is gone would
 * install again. It goes with its owner, the DaemonSet, by the cluster's garbage collection.
 *
 * A node that has not been Ready for WITHDRAW_GRACE_S is not waited for, since it may never come back,
 * unless unready is set: it is in left, and no failure. (A restart of its container manager makes a node
 * unready for moments.) A node that did not do it in time is a failure: E_TIMEOUT, with the nodes.
 *
 * Other errors: those of kube_create() and kube_watch(); E_NOT_FOUND: there is no such DaemonSet, and
 * nodes that it should ask. (Without such nodes there is nothing to do: an installation that failed at once
 * can be removed.)
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "kube/kube.h"

#include <stdbool.h>
#include <stdint.h>

enum { WITHDRAW_SECONDS = 600, WITHDRAW_GRACE_S = 60, WITHDRAW_SETTLE_MS = 5000 };

struct withdraw_node {
	char *name, *why; /* the node's condition; NULL: it has none */
	bool ready, seen;
	uint64_t unready_since; /* as clock_ms() */
};

struct withdraw {
	const char *suffix; /* of the installation; NULL: none */
	const char *space;  /* of the DaemonSet and the Leases */
	const char *owner;  /* the DaemonSet; NULL: the request has none, and stays */
	unsigned seconds;   /* the longest wait */
	unsigned grace_s;   /* 0: WITHDRAW_GRACE_S */
	unsigned settle_ms; /* so long new nodes are expected; 0: WITHDRAW_SETTLE_MS */
	bool unready;       /* wait for those that are not Ready, too */
	/* Called for each node that has done it; may be NULL. */
	void (*done)(void *arg, const char *node);
	void *arg;
	/* out */
	uint64_t asked;
	VEC(struct withdraw_node) left;
};

void withdraw_release(struct withdraw *w);
DEFINE_AUTO_STRUCT(withdraw, struct withdraw, withdraw_release)

MUST_CHECK int withdraw_run(struct withdraw *w, struct kube *k, struct err *err);
