// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A host with vhost-vsock, played to this process and its children where the kernel asks for it
 * (seccomp's notifications): numbers are given, and a connection to port P of the guest becomes one
 * to the Unix socket VSOCK_SOCKET-P.
 *
 *	vsock_lab_device();	// /dev of this mount namespace has a vhost-vsock, which can nothing
 *	vsock_lab_start();	// now it can; the first number is taken
 */

#include <stdint.h>

#define VSOCK_SOCKET "/run/vsock"

void vsock_lab_device(void);
void vsock_lab_start(void);

struct vsock_seen {
	uint32_t cid;                       /* that was given */
	unsigned asked, refused, connected; /* numbers; connections */
};
struct vsock_seen vsock_lab_seen(void);
