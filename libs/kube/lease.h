// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Leases (coordination.k8s.io/v1): that something is held, by whom and for how long. Here it is held
 * while its Lease exists: it is acquired by making it, which only one can do, renewed meanwhile, and
 * released by removing it, so that nothing stays behind.
 *
 *	struct kube_lease l = { .space = "kata", .name = "turn-0", .holder = "n1", .seconds = 60,
 *				.labels = labels };
 *	if (kube_lease_acquire(k, &l, deadline, err) < 0)	// E_EXISTS: it is held
 *		return -1;
 *	...
 *	if (kube_lease_renew(k, &l, deadline, err) < 0)		// E_STATE: it is lost
 *
 * A holder that has gone does not renew. Clocks of nodes differ, so what a Lease says of the time is
 * not believed: it is abandoned if it was not changed for its duration while it was looked at
 * (kube_sight). It may be removed then, if it is still that version.
 *
 * A Lease of 0 seconds is a mark, which is never abandoned.
 */

#include "base/vec.h"
#include "kube/kube.h"

#define KUBE_LEASES "apis", "coordination.k8s.io", "v1", "namespaces"

struct kube_lease {
	const char *space, *name, *holder;
	unsigned seconds;
	const char *const *labels; /* key, value, key, value, NULL; may be NULL */
	/* A node with which it goes, by the cluster's garbage collection; NULL: none. */
	const char *node, *node_uid;
};

/* E_EXISTS: it is there, whoever's. */
MUST_CHECK int kube_lease_acquire(struct kube *k, const struct kube_lease *l,
				  struct deadline deadline, struct err *err);
/* E_STATE: it is not there any more, or somebody else's. */
MUST_CHECK int kube_lease_renew(struct kube *k, const struct kube_lease *l,
				struct deadline deadline, struct err *err);
/* Removes it if it is ours; that it is not there is a success. */
MUST_CHECK int kube_lease_release(struct kube *k, const struct kube_lease *l,
				  struct deadline deadline, struct err *err);

/* Of an object: the holder; "" if it has none. */
const char *kube_lease_holder(const struct json *lease);

/* What of Leases was seen when. */
struct kube_sight {
	char *uid, *version;
	uint64_t since; /* as clock_ms() */
	bool kept;
};
struct kube_sights {
	VEC(struct kube_sight) all;
};

/* A look at all of them: begin, each one, end; those that were not seen in between are forgotten. */
void kube_sights_begin(struct kube_sights *s);
/* True: it is abandoned. */
bool kube_sight(struct kube_sights *s, const struct json *lease, uint64_t now_ms);
void kube_sights_end(struct kube_sights *s);
void kube_sights_release(struct kube_sights *s);
