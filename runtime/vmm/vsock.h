// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The host's side of vsock: a context id (CID) for the guest, and connections to its ports.
 *
 *	int vhost = vsock_open(&cid, err);	// for the VMM; close it once the VMM runs
 *	...
 *	int agent = vsock_dial(cid, VSOCK_AGENT_PORT, vmm_pidfd, deadline, err);
 *
 * The CID is reserved as long as vhost, or a duplicate of it, is open.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Ports of the guest, as upstream's: the agent's requests, and its log. */
enum { VSOCK_AGENT_PORT = 1024, VSOCK_LOG_PORT = 1025 };

/* True if this process may open /dev/vhost-vsock. */
bool vsock_is_there(void);

/* Opens /dev/vhost-vsock and reserves a random CID that no other guest of this host has. Returns an
 * fd for the caller to close. */
MUST_CHECK int vsock_open(uint32_t *cid, struct err *err);

/* Connects to a port of the guest, again and again while it boots and nobody listens. Returns a
 * non-blocking socket for the caller to close. E_TIMEOUT at the deadline; E_GONE once ended, the
 * VMM's pidfd or -1, is readable. */
MUST_CHECK int vsock_dial(uint32_t cid, unsigned port, int ended, struct deadline deadline,
			  struct err *err);
