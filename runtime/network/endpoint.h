// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Endpoints: the interfaces of a pod's network namespace that the guest gets, and the state of
 * each. All functions that take a netlink socket must be called with one of that namespace.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "netlink/netlink.h"

struct wire;

struct endpoint {
	struct netlink_link link; /* the interface, as last read from the namespace */
	const struct wire *wire;  /* how it is connected with the VM */
	char tap[IFNAMSIZ];       /* name of the tap or macvtap that connects it */
	int tap_index;            /* index of that link, once connected */
	int tap_fd;               /* fd of it for the VMM, or -1 */
	int vhost_fd;             /* /dev/vhost-net, or -1 */
	bool connected;           /* we have connected it, and must disconnect it */
	bool plugged;             /* into the running VM, with the tap's name as id */
	bool skipped;      /* not for the guest, or no longer; only its names stay reserved */
	bool waiting;      /* connecting it has failed; not for the guest until it is tried again */
	unsigned failures; /* of connecting it */
	struct deadline next;      /* if waiting: when to try again */
	bool synced;               /* the guest has it as it is in link */
	char guest_name[IFNAMSIZ]; /* its name in the guest, as far as we know; "": none yet */
	bool gone; /* it is no longer in the namespace, or no longer for the guest */
};

enum { ENDPOINTS_MAX = 64 }; /* further interfaces are ignored while the VM runs */

struct endpoints {
	VEC(struct endpoint) list;
};

/*
 * Finds the interfaces with an address, except loopback, which the guest has itself. model is the
 * configuration's internetworking_model. *out is for endpoints_release(). E_UNSUPPORTED names an
 * interface that a VM cannot be given, E_STATE one that is connected with another VM.
 */
MUST_CHECK int endpoints_find(struct netlink *nl, const char *model, struct endpoints *out,
			      struct err *err);
/* Reads the namespace again: updates each link, clears synced if it has changed, and sets gone if
 * the interface has been removed. New interfaces are appended; one that a VM cannot be given is
 * marked as skipped, and the reason is logged once. On failure nothing has changed. */
MUST_CHECK int endpoints_rescan(struct netlink *nl, const char *model, struct endpoints *e,
				struct err *err);
void endpoint_release(struct endpoint *e);
void endpoints_release(struct endpoints *e);
