// SPDX-License-Identifier: Apache-2.0
/* GetDiagnosticData: the termination message of a container. */

#include "agent/rpc/rpc.h"

#include "agent/sandbox.h"
#include "agent/termination.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

static int get_diagnostic_data(struct sandbox *s, const Grpc__GetDiagnosticDataRequest *r,
			       struct buf *out, struct err *err)
{
	struct entry *e;
	int result;

	if (!str_eq(r->log_type, "termination_log") && !str_eq(r->log_type, "termination-log"))
		return err_set(err, E_UNSUPPORTED, "there is no diagnostic data '%.64s'",
			       r->log_type);
	e = entry_get(&s->containers, r->container_id, err);
	if (!e)
		return -1;
	if (e->termination_log)
		result = termination_read(e->termination_log, out, err);
	else
		result = err_set(err, E_NOT_FOUND, "container %s has no termination log", e->id);
	entry_put(e);
	return result;
}

void on_get_diagnostic_data(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__GetDiagnosticDataResponse reply = GRPC__GET_DIAGNOSTIC_DATA_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(TERMINATION_MAX);
	struct err err = ERR_INIT;

	if (get_diagnostic_data(arg, request, &out, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data = (char *)buf_cstr(&out);
	ttrpc_reply(call, &reply);
}
