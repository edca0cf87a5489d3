// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Lets the host unmount what the guest has used. The guest's kernel keeps the names and files of a
 * share that it has read until it needs their memory, and the host's server has each of them open.
 * So a file system below a volume that follows the host's mounts (rslave; Kubernetes:
 * HostToContainer) would stay busy on the host long after its last user in the guest.
 *
 *	forget_begin(loop);	// for each container with such a volume
 *	forget_end();
 *	forget_stop();		// after the loop ended
 *
 * From the first forget_begin() to the last forget_end() the kernel drops every ten seconds what
 * nobody has open or mapped, of all file systems of the guest, since it cannot do so for a part of
 * one. Files that are used again within that time are read again.
 */

#include "loop/loop.h"

/* Any thread. */
void forget_begin(struct loop *loop);
/* Any thread. */
void forget_end(void);
/* On the loop's thread or after it ended, in an agent that is not PID 1. */
void forget_stop(void);
