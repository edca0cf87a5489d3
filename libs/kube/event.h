// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Events (events.k8s.io/v1) about a node, with series: what happens again is counted in the Event
 * that tells of it, at most once in KUBE_SERIES_MS, instead of making more.
 *
 *	struct kube_recorder r = { .controller = "example.com/it", .instance = "n1", .node = "n1" };
 *	struct kube_happening h = { .reason = "Proved", .action = "Prove", .note = "it works" };
 *	if (kube_tell(k, &r, &h, deadline, err) < 0)
 *		return -1;
 *	kube_recorder_release(&r);
 *
 * A node has no namespace: its Events live in "kube-system", the only one that every API server takes
 * for them. They have the node's name as its uid, as the kubelet's have, so that `kubectl describe
 * node` shows them.
 */

#include "kube/kube.h"

enum { KUBE_SERIES_MS = 60000, KUBE_NOTE_MAX = 1000 };

struct kube_happening {
	bool warning;
	const char *reason, *action,
		*note; /* CamelCase, CamelCase, a sentence; a long one is cut */
};

struct kube_recorder {
	const char *controller, *instance, *node;
	/* the last one */
	char *name, *what;
	unsigned count, sent;
	uint64_t sent_at;
};

MUST_CHECK int kube_tell(struct kube *k, struct kube_recorder *r, const struct kube_happening *h,
			 struct deadline deadline, struct err *err);
/* Sends a count that waits, if there is one and it is time; 0: done. */
MUST_CHECK int kube_tell_rest(struct kube *k, struct kube_recorder *r, struct deadline deadline,
			      struct err *err);
void kube_recorder_release(struct kube_recorder *r);
