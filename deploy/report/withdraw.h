// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Requests that every node of a cluster uninstalls, and waits until they have done so. To run
 * before the DaemonSet is removed (by a chart's hook), since its pods do the uninstall.
 *
 *	AUTO(withdraw) struct withdraw w = { .suffix = NULL, .space = "kube-system",
 *					     .owner = "kata-deploy", .seconds = 600 };
 *	if (withdraw_run(&w, kube, err) < 0)
 *		...			// w.left: nodes that have not uninstalled, also on success
 *
 * A node is waited for if it has the label of the instance, or gets it meanwhile; it has
 * uninstalled when the label is removed. If the API server does not answer, this waits for it, too.
 * The request is a Lease (report.h) and stays: otherwise a pod that is restarted before the
 * DaemonSet is removed would install again. The cluster's garbage collection removes the Lease with
 * its owner, the DaemonSet. One of an earlier DaemonSet, which nodes ignore, may still be there: then
 * the request is made when that is gone.
 *
 * A node that has not been Ready for WITHDRAW_GRACE_S may never come back: it is not waited for,
 * unless unready is set. It is in left, but no failure. (The grace is for the restart of a
 * container manager, which makes a node unready for moments.)
 *
 * A node that has had no pod of the DaemonSet for the same time (its nodeSelector was narrowed) has
 * nobody who would uninstall: it is not waited for either, but is a failure.
 *
 * E_TIMEOUT: nodes, named in the message, have not uninstalled in time. E_NOT_FOUND: the DaemonSet
 * does not exist, or has no pod on nodes, named in the message, that have the label; without such
 * nodes there is nothing to do, which is success. Other errors: those of kube_create() and
 * kube_watch().
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "kube/kube.h"

#include <stdbool.h>
#include <stdint.h>

enum { WITHDRAW_SECONDS = 600, WITHDRAW_GRACE_S = 60, WITHDRAW_SETTLE_MS = 5000 };

struct withdraw_node {
	char *name;
	char *why;              /* message of the condition KataReady; NULL: it has none */
	bool ready, seen;       /* seen: in the current list of nodes */
	uint64_t unready_since; /* as clock_ms() */
	bool alone, has_pod;    /* alone: without a pod; has_pod: in the current list of pods */
	uint64_t alone_since;   /* as clock_ms() */
};

struct withdraw {
	const char *suffix; /* of the installation; NULL or "": none */
	const char *space;  /* namespace of the DaemonSet and the Leases */
	const char *owner; /* the DaemonSet; NULL: the request has no owner, and is never removed */
	unsigned seconds;  /* time limit */
	unsigned grace_s;  /* 0: WITHDRAW_GRACE_S */
	unsigned settle_ms; /* wait at least so long for new labels; 0: WITHDRAW_SETTLE_MS */
	bool unready;       /* wait for nodes that are not Ready, too */
	/* Called for each node that has uninstalled; may be NULL. */
	void (*done)(void *arg, const char *node);
	void *arg;
	/* set by withdraw_run() */
	uint64_t asked;                 /* how many nodes had the label */
	VEC(struct withdraw_node) left; /* those that still have it */
};

void withdraw_release(struct withdraw *w);
DEFINE_AUTO_STRUCT(withdraw, struct withdraw, withdraw_release)

MUST_CHECK int withdraw_run(struct withdraw *w, struct kube *k, struct err *err);
