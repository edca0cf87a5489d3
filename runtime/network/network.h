// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The network of a pod's VM: reads the interfaces, routes and neighbours that the network plugin
 * has left in the pod's namespace, and connects each interface with the VM. The functions block;
 * they enter the namespace on a thread of their own (netns_call).
 *
 *	struct network n;
 *	network_scan(&n, config, path, err)	// reads the namespace, changes nothing
 *	network_connect(&n, err)		// makes taps; record the endpoints before
 *	for each of n.endpoints: network_device(&endpoint)	// for the VMM
 *	network_hand_over(&n)			// once the VMM has the fds
 *	network_disconnect(&n, err)		// may be called again
 *	network_release(&n)
 *
 * While the VM runs, the namespace may change:
 *
 *	fd = network_watch(&n, err)		// readable when something has changed
 *	network_rescan(&n, err)			// then, for each not skipped or waiting:
 *	network_plug(&n, endpoint, err)		// if not connected; record it before
 *	network_adjust(&n, endpoint, err)	// if not synced, before updating the guest
 *	network_drop(&n, index)			// if gone, after unplugging it from the VM
 *
 * The sandbox has the agent set the guest's addresses, routes and neighbours
 * (sandbox/interfaces.h).
 */

#include "base/err.h"
#include "config/config.h"
#include "network/endpoint.h"
#include "network/limit.h"
#include "network/netns.h"
#include "vmm/vmm.h"

struct network {
	char *path; /* of the namespace; NULL: none was given */
	int netns;  /* fd of the namespace, or -1 */
	struct netns_identity identity;
	const char *model; /* the configuration's internetworking_model */
	bool vhost;        /* /dev/vhost-net may be used */
	struct endpoint_limits limits;
	struct endpoints endpoints;
	/* Over the endpoints, without the routes that the guest's kernel makes itself. */
	struct netlink_routes routes;
	struct netlink_routes refused; /* those that a VM cannot be given */
	struct netlink_neighbours neighbours;
	bool routes_synced, neighbours_synced; /* the guest has these */
};

#define NETWORK_INIT                                       \
	{                                                  \
		.path = NULL, .netns = -1, .model = "none" \
	}

/* Reads the namespace at path into *n. path NULL or internetworking_model "none": without
 * endpoints. config must outlive *n. On failure nothing needs to be released. E_UNSUPPORTED names an
 * interface or a route that a VM cannot be given. */
MUST_CHECK int network_scan(struct network *n, const struct runtime_config *config,
			    const char *path, struct err *err);
/* Connects all endpoints. After a failure network_disconnect() undoes it. */
MUST_CHECK int network_connect(struct network *n, struct err *err);
/* Describes the card of a connected endpoint for the VMM; borrows from the endpoint. */
struct vmm_device network_device(const struct endpoint *e);
/* Closes our fds of taps and vhost, once the VMM has its own. A tap then lasts as long as the
 * VMM. */
void network_hand_over(struct network *n);
/* Disconnects all endpoints, and leaves the namespace as it was. After a failure those that could
 * not be disconnected are still connected. */
MUST_CHECK int network_disconnect(struct network *n, struct err *err);
void network_release(struct network *n);

/* Returns an fd for the caller to close, which is readable after a change (netlink_watch). */
MUST_CHECK int network_watch(const struct network *n, struct err *err);
/* Reads the namespace again: the endpoints as endpoints_rescan(), routes and neighbours. A route
 * that a VM cannot be given is left out, and logged once. After a failure it can be repeated. */
MUST_CHECK int network_rescan(struct network *n, struct err *err);
/* Connects an endpoint while the VM runs; follow it by network_device() and network_hand_over(), or
 * by network_unplug(). On failure nothing of it is left. */
MUST_CHECK int network_plug(struct network *n, struct endpoint *e, struct err *err);
/* Undoes network_plug(). A failure is logged. */
void network_unplug(struct network *n, struct endpoint *e);
/* Sets the tap's MTU to that of the interface. */
MUST_CHECK int network_adjust(struct network *n, const struct endpoint *e, struct err *err);
/* Removes the endpoint at that index of the list; the indexes of later ones change. */
void network_drop(struct network *n, size_t index);

/* The name of the endpoint whose link has that index, borrowed, or NULL. */
const char *network_name_of(const struct network *n, int index);

/* The model by which it is connected, for network_undo(); static. */
const char *network_model_of(const struct endpoint *e);
/* After the process that connected it has died: disconnects an interface, if the path still names
 * that namespace; else there is nothing to do. E_UNSUPPORTED: unknown model. */
MUST_CHECK int network_undo(const char *path, const struct netns_identity *identity,
			    const char *interface, const char *tap, const char *model,
			    struct err *err);
