// SPDX-License-Identifier: Apache-2.0
/* ExecProcess, WaitProcess, SignalProcess and RemoveExec. */

#include "agent/rpc/rpc.h"

#include "agent/container.h"
#include "agent/sandbox.h"
#include "agent/spec.h"
#include "base/mem.h"
#include "oci/message.h"
#include "protocols/agent.pb-c.h"

#include <stdlib.h>

enum { EXEC_MS = 60000 };

/* --- exec --- */

static int exec_process(struct entry *e, const Grpc__ExecProcessRequest *r,
			struct deadline deadline, struct err *err)
{
	AUTO(oci_process) struct oci_process *spec = NULL;

	if (entry_check_exec(e, r->exec_id, err) < 0)
		return -1;
	if (!r->process)
		return err_set(err, E_INVALID, "the request has no process");
	spec = oci_process_from_message(r->process, err);
	if (!spec)
		return -1;
	spec_adjust_process(spec);
	return entry_exec(e, r->exec_id, spec, deadline, err);
}

void on_exec_process(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ExecProcessRequest *r = request;
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? check_process_room(call, &err) : -1;

	if (result == 0)
		result = exec_process(e, r, flow_deadline(call, EXEC_MS), &err);
	if (e)
		entry_put(e);
	answer(call, result, &err);
}

/* --- wait --- */

/* A WaitProcess that is kept until the process ends. */
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
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct process *p = process_find(&s->containers, r->container_id, r->exec_id, &err);
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
	struct sandbox *s = arg;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? entry_signal(e, r->exec_id, r->signal, &err) : -1;

	if (e)
		entry_put(e);
	answer(call, result, &err);
}

/* --- remove --- */

static int remove_exec(struct sandbox *s, const Grpc__RemoveExecRequest *r, struct err *err)
{
	struct process *p = process_find(&s->containers, r->container_id, r->exec_id, err);

	if (!p)
		return -1;
	return process_discard(p)
		       ? 0
		       : err_set(err, E_STATE, "process '%.128s' is no exec that has ended",
				 r->exec_id);
}

void on_remove_exec(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	answer(call, remove_exec(arg, request, &err), &err);
}
