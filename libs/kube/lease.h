// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Leases (coordination.k8s.io/v1) as locks with a holder and a duration. A lock is held while its
 * Lease exists: it is acquired by creating the Lease, which only one client can do, renewed while
 * it is held, and released by deleting the Lease, so that nothing stays behind.
 *
 *	struct kube_lease l = { .space = "kata", .name = "turn-0", .holder = "n1", .seconds = 60,
 *				.labels = labels };
 *	if (kube_lease_acquire(k, &l, deadline, err) < 0)	// E_EXISTS: it is held
 *		return -1;
 *	...
 *	if (kube_lease_renew(k, &l, deadline, err) < 0)		// E_STATE: it is lost
 *
 * A holder that has disappeared does not renew. Clocks of nodes differ, so the times in a Lease are
 * ignored: a Lease is abandoned if an observer sees it unchanged for its duration (kube_observe).
 * The observer may then delete that version of it.
 *
 * A Lease of 0 seconds is only a mark and is never abandoned.
 */

#include "base/vec.h"
#include "kube/kube.h"

#define KUBE_LEASES "apis", "coordination.k8s.io", "v1", "namespaces"

struct kube_lease {
	const char *space, *name, *holder;
	unsigned seconds;
	const char *const *labels; /* key, value, key, value, NULL; may be NULL */
	/* The owner: the cluster's garbage collection deletes the Lease with this node. NULL:
	 * none. */
	const char *node, *node_uid;
};

/* E_EXISTS: somebody holds it, possibly ourselves. */
MUST_CHECK int kube_lease_acquire(struct kube *k, const struct kube_lease *l,
				  struct deadline deadline, struct err *err);
/* E_STATE: the Lease no longer exists, or has another holder. */
MUST_CHECK int kube_lease_renew(struct kube *k, const struct kube_lease *l,
				struct deadline deadline, struct err *err);
/* Deletes the Lease if we hold it. A missing one, or one with another holder, is a success. */
MUST_CHECK int kube_lease_release(struct kube *k, const struct kube_lease *l,
				  struct deadline deadline, struct err *err);

/* The holder of a Lease object, borrowed; "" if it has none. */
const char *kube_lease_holder(const struct json *lease);

/* The versions of Leases, and since when each has been seen. */
struct kube_observation {
	char *uid, *version;
	uint64_t since; /* as clock_ms() */
	bool seen;      /* in the current round */
};
struct kube_observations {
	VEC(struct kube_observation) all;
};

/* One round: begin, kube_observe() for each Lease that exists, end. The Leases that were not
 * observed in the round are forgotten. */
void kube_observe_begin(struct kube_observations *o);
/* Returns true if the Lease is abandoned. */
bool kube_observe(struct kube_observations *o, const struct json *lease, uint64_t now_ms);
void kube_observe_end(struct kube_observations *o);
void kube_observations_release(struct kube_observations *o);
