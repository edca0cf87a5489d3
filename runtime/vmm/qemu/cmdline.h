// SPDX-License-Identifier: Apache-2.0
#pragma once

/* QEMU's command line for a request. */

#include "vmm/vmm.h"

enum { QEMU_VHOST_VSOCK_FD = 3 }; /* the number in QEMU of vhost_vsock */

static inline bool qemu_has_vsock(const struct vmm_request *r)
{
	return r->vhost_vsock >= 0;
}

/* strv, heap. */
char **qemu_command_line(const struct vmm_request *r);
