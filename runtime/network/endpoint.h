// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The interfaces of a pod's network namespace: which of them the guest gets, and by what.
 */

#include "base/err.h"
#include "base/vec.h"
#include "netlink/netlink.h"

struct wire;

/* One that the guest gets. */
struct endpoint {
	struct netlink_link link; /* as the network plugin left it */
	const struct wire *wire;  /* how it is connected with the VM */
	char tap[IFNAMSIZ];       /* by this link */
	int tap_index;            /* of that, once it is connected */
	int tap_fd;               /* what the VMM reads and writes, or -1 */
	int vhost_fd;             /* /dev/vhost-net, or -1 */
	bool connected;           /* by us: to be undone */
	bool plugged;             /* into the running VM: its id there is the tap's name */
	bool skipped;             /* a VM cannot be given it, or no longer; its place is taken */
	bool synced;              /* the guest knows it as it is in link */
	bool gone;                /* from the namespace */
};

enum { ENDPOINTS_MAX = 64 }; /* more are not looked at once the VM runs */

struct endpoints {
	VEC(struct endpoint) list;
};

/*
 * In the namespace: those interfaces that have an address; loopback is the guest's own. E_UNSUPPORTED
 * names one that cannot be given to a VM, E_STATE one that is connected to another VM. model is the
 * internetworking_model.
 */
MUST_CHECK int endpoints_find(struct netlink *nl, const char *model, struct endpoints *out,
			      struct err *err);
/* Later: what became of them. Links are replaced, and told and gone say what that means; new ones are added at
 * the end; those that a VM cannot be given are useless, and the log says why, once. On failure nothing has
 * changed. */
MUST_CHECK int endpoints_rescan(struct netlink *nl, const char *model, struct endpoints *e,
				struct err *err);
void endpoint_release(struct endpoint *e);
void endpoints_release(struct endpoints *e);
