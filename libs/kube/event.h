// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Events (events.k8s.io/v1) about a node. An occurrence that equals the last one creates no further
 * Event: the Event's series counts it, and the count is sent at most once in KUBE_SERIES_MS.
 *
 *	struct kube_recorder r = { .controller = "example.com/it", .instance = "n1", .node = "n1" };
 *	struct kube_occurrence o = { .reason = "Proved", .action = "Prove", .note = "it works" };
 *	if (kube_record(k, &r, &o, deadline, err) < 0)
 *		return -1;
 *	kube_recorder_release(&r);
 *
 * A node has no namespace. Its Events are created in "kube-system", the only namespace that every
 * API server accepts for them, and, like the kubelet's, they give the node's name as its uid, so
 * that `kubectl describe node` shows them.
 */

#include "kube/kube.h"

enum { KUBE_SERIES_MS = 60000, KUBE_NOTE_MAX = 1000 };

struct kube_occurrence {
	bool warning;                /* type "Warning" instead of "Normal" */
	const char *reason, *action; /* CamelCase */
	const char *note;            /* a sentence; cut to KUBE_NOTE_MAX bytes */
};

struct kube_recorder {
	/* Set by the caller, borrowed. The API server limits parts of an Event more than the name of
	 * a node: a long instance is cut. */
	const char *controller, *instance, *node;
	/* the last Event */
	char *name, *what;    /* its name; type, reason and note of the occurrence */
	unsigned count, sent; /* occurrences, and the count that was sent */
	uint64_t sent_at;     /* as clock_ms() */
};

/* Creates an Event, or counts the occurrence in the last one. */
MUST_CHECK int kube_record(struct kube *k, struct kube_recorder *r, const struct kube_occurrence *o,
			   struct deadline deadline, struct err *err);
/* Sends the count of the last Event, if it has changed and KUBE_SERIES_MS have passed. Call it from
 * time to time. */
MUST_CHECK int kube_record_count(struct kube *k, struct kube_recorder *r, struct deadline deadline,
				 struct err *err);
void kube_recorder_release(struct kube_recorder *r);
