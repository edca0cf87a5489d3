// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The network of a pod's VM: what the network plugin left in the pod's namespace, and the VM's
 * connection with it. These functions block; they enter the namespace on threads of their own.
 *
 *	struct network n;
 *	network_scan(&n, config, path, err)	// reads, changes nothing
 *	network_connect(&n, err)		// taps and wires; record them before
 *	for each of n.endpoints: network_device(&endpoint)	// for the VMM
 *	network_hand_over(&n)			// the VMM has it; the tap lives as long as the VMM
 *	network_disconnect(&n, err)		// any number of times
 *	network_release(&n)
 *
 * While the VM runs, the namespace may change:
 *
 *	network_watch(&n, err)			// readable: it has
 *	network_rescan(&n, err)			// then, for each endpoint that is of use:
 *	network_plug(&n, endpoint, err)		// not connected; record it before
 *	network_adjust(&n, endpoint, err)	// not told, before the guest is
 *	network_drop(&n, index)			// gone, and the VM has let go of it
 *
 * The guest then gets the addresses, routes and neighbours that the namespace has (the sandbox asks
 * its agent for them).
 */

#include "base/err.h"
#include "config/config.h"
#include "network/endpoint.h"
#include "network/limit.h"
#include "network/netns.h"
#include "vmm/vmm.h"

struct network {
	char *path; /* of the namespace; NULL: none was given */
	int netns;  /* or -1 */
	struct netns_identity identity;
	const char *model; /* of the configuration, which outlives it */
	bool vhost;        /* may be used */
	struct endpoint_limits limits;
	struct endpoints endpoints;
	struct netlink_routes routes;          /* of the endpoints, without those that the guest's
						 kernel makes */
	struct netlink_neighbours neighbours;  /* likewise */
	bool routes_synced, neighbours_synced; /* the guest has these */
};

#define NETWORK_INIT                                       \
	{                                                  \
		.path = NULL, .netns = -1, .model = "none" \
	}

/* path NULL or internetworking_model "none": no endpoints. On failure nothing needs to be
 * released. */
MUST_CHECK int network_scan(struct network *n, const struct runtime_config *config,
			    const char *path, struct err *err);
/* On failure, too, network_disconnect undoes it. */
MUST_CHECK int network_connect(struct network *n, struct err *err);
struct vmm_device network_device(const struct endpoint *e);
void network_hand_over(struct network *n);
MUST_CHECK int network_disconnect(struct network *n, struct err *err);
void network_release(struct network *n);

/* An fd of its own, as netlink_watch(). */
MUST_CHECK int network_watch(const struct network *n, struct err *err);
/* Reads the namespace again: endpoints_rescan(), routes and neighbours. What a VM cannot be given is left out, and
 * the log says why. After a failure it can be repeated. */
MUST_CHECK int network_rescan(struct network *n, struct err *err);
/* Connects one; on failure nothing of it is left. network_device() and network_hand_over() are for it too, or
 * network_unplug(), which undoes it. */
MUST_CHECK int network_plug(struct network *n, struct endpoint *e, struct err *err);
void network_unplug(struct network *n, struct endpoint *e);
MUST_CHECK int network_adjust(struct network *n, const struct endpoint *e, struct err *err);
/* Forgets that endpoint; the others behind it move. */
void network_drop(struct network *n, size_t index);

/* The name of the endpoint with that index in the namespace, or NULL. */
const char *network_name_of(const struct network *n, int index);

/* How it is connected, for network_undo. */
const char *network_model_of(const struct endpoint *e);
/* For a process that has died: disconnects an interface of the namespace, if that is still the same
 * one. E_UNSUPPORTED: no such model. */
MUST_CHECK int network_undo(const char *path, const struct netns_identity *identity,
			    const char *interface, const char *tap, const char *model,
			    struct err *err);
