// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent's addresses: vsock://CID:PORT, unix://PATH, serial://NAME (a virtio-serial port, see
 * docs/protocol/serial.md).
 */

#include "base/err.h"
#include "loop/loop.h"
#include "ttrpc/ttrpc.h"

/* Serves the address for the life of the process. */
MUST_CHECK int transport_serve(struct loop *loop, struct ttrpc_server *server, const char *address,
			       struct err *err);
/* Waits up to 10 s for a port of that name; non-blocking. */
MUST_CHECK int transport_open_port(const char *name, struct err *err);

/* A listening vsock socket; cid VMADDR_CID_ANY is any. */
MUST_CHECK int transport_listen_vsock(unsigned cid, unsigned port, struct err *err);
