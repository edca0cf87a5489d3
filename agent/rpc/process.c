// SPDX-License-Identifier: Apache-2.0
/* Requests about a process: its end, which is waited for, and signals. */

#include "agent/rpc/rpc.h"

#include "agent/agent.h"
#include "base/mem.h"

#include <stdlib.h>

/* --- the end --- */

struct kept {
	struct process_waiter waiter;
	struct process *process;
	struct ttrpc_call *call;
};

static void reply_end(void *arg, int code)
{
	struct kept *k = arg;
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	reply.status = code;
	ttrpc_reply(k->call, &reply);
	free(k);
}

static void reply_removed(void *arg, const struct err *err)
{
	struct kept *k = arg;

	ttrpc_fail(k->call, err);
	free(k);
}

static void on_cancel(void *arg)
{
	struct kept *k = arg;

	process_wait_cancel(k->process, &k->waiter);
	answer_cancelled(k->call);
	free(k);
}

void on_wait_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__WaitProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct process *p = process_find(arg, r->container_id, r->exec_id, &err);
	struct kept *k;

	if (!p) {
		ttrpc_fail(call, &err);
		return;
	}
	k = NEW(struct kept);
	*k = (struct kept){ { reply_end, reply_removed, k }, p, call };
	if (process_wait(p, &k->waiter))
		ttrpc_call_on_cancel(call, on_cancel, k);
}

/* --- signals --- */

void on_signal_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SignalProcessRequest *r = request;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(arg, r->container_id, &err);
	int result = e ? entry_signal(e, r->exec_id, r->signal, &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}
