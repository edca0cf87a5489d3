// SPDX-License-Identifier: Apache-2.0
/* Helpers of all handlers: deadlines and plain answers. */

#include "agent/rpc/rpc.h"

#include "protocols/agent.pb-c.h"

struct deadline flow_deadline(struct ttrpc_call *call, uint64_t ms)
{
	return deadline_min(ttrpc_call_deadline(call), deadline_in(ms));
}

void answer(struct ttrpc_call *call, int result, const struct err *err)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	if (result < 0)
		ttrpc_fail(call, err);
	else
		ttrpc_reply(call, &empty);
}

/* For the end of the process, its two outputs and its input, and room for those that are being made
 * and not waited for yet. */
enum { PROCESS_WAITS = 4 + 256 };

int check_process_room(struct ttrpc_call *call, struct err *err)
{
	return ttrpc_call_check_room(call, PROCESS_WAITS, err) < 0
		       ? err_wrap(err, "too many processes for the memory of the VM")
		       : 0;
}

void answer_cancelled(struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	err_set(&err, E_CANCELLED, "the caller is gone");
	ttrpc_fail(call, &err);
}
