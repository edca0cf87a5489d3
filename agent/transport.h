// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent's addresses: vsock://CID:PORT, unix://PATH, serial://NAME (a virtio-serial port, see
 * docs/protocol/serial.md).
 */

#include "base/err.h"
#include "loop/loop.h"

struct ttrpc_server;

/* Serves the address until the process ends. */
MUST_CHECK int transport_serve(struct loop *loop, struct ttrpc_server *server, const char *address,
			       struct err *err);
/* Opens the virtio-serial port of that name, waiting up to 10 s for it. Returns a non-blocking
 * fd. */
MUST_CHECK int transport_open_port(const char *name, struct err *err);

/* Returns a listening vsock socket; cid may be VMADDR_CID_ANY. */
MUST_CHECK int transport_listen_vsock(unsigned cid, unsigned port, struct err *err);
