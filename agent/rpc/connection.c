// SPDX-License-Identifier: Apache-2.0
/* ConnectPort and DisconnectPort: connections to ports of the guest, which stream.c reads and
 * writes. All on the loop. */

#include "agent/rpc/rpc.h"

#include "agent/sandbox.h"
#include "protocols/agent.pb-c.h"

/* Called within the 10 s that connecting may take, even if the caller has disconnected. */
static void on_done(void *call, const struct err *err)
{
	answer(call, err ? -1 : 0, err);
}

void on_connect_port(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ConnectPortRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;

	if (r->port == 0)
		answer(call, 0, NULL);
	else if (connection_open(&s->connections, r->connection_id, r->port, on_done, call, &err) <
		 0)
		ttrpc_fail(call, &err);
}

void on_disconnect_port(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__DisconnectPortRequest *r = request;
	struct sandbox *s = arg;

	connection_close(&s->connections, r->connection_id);
	answer(call, 0, NULL);
}
