// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Makes this process and its children see a host with vhost-vsock. Their system calls are caught
 * with seccomp notifications: setting a guest's CID succeeds, and a connection to port P of the
 * guest becomes one to the unix socket VSOCK_SOCKET-P.
 *
 *	vsock_lab_device();	// /dev of this mount namespace has a vhost-vsock that does nothing
 *	vsock_lab_start();	// now it works; the first CID that is tried is in use already
 */

#include <stdint.h>

#define VSOCK_SOCKET "/run/vsock"

void vsock_lab_device(void);
void vsock_lab_start(void);

struct vsock_seen {
	uint32_t cid;                /* the last CID that was set */
	unsigned asked;              /* how often a CID was set */
	unsigned refused, connected; /* connections */
};
struct vsock_seen vsock_lab_seen(void);
