// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The host's side of vsock: a number (CID) for the guest, and connections to its ports.
 *
 *	int vhost = vsock_open(&cid, err);	// given to the VMM, closed here once it runs
 *	...
 *	int agent = vsock_dial(cid, VSOCK_AGENT_PORT, vmm_pidfd, deadline, err);
 *
 * The CID is reserved for as long as that fd, or a duplicate of it, is open.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Upstream's ports: the agent's requests, its log. */
enum { VSOCK_AGENT_PORT = 1024, VSOCK_LOG_PORT = 1025 };

/* Whether this host has an accessible /dev/vhost-vsock. */
bool vsock_is_there(void);

/* Opens vhost-vsock with a CID that no other guest of this host has. */
MUST_CHECK int vsock_open(uint32_t *cid, struct err *err);

/* Connects to the port, retrying while the guest boots and nobody listens there. E_TIMEOUT at the
 * deadline; E_GONE once ended (a pidfd, or -1) is readable. */
MUST_CHECK int vsock_dial(uint32_t cid, unsigned port, int ended, struct deadline deadline,
			  struct err *err);
