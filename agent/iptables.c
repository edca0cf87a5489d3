// SPDX-License-Identifier: Apache-2.0
/* The guest's packet filter, read and written with iptables-save and iptables-restore. */

#include "agent/agent.h"

#include "base/buf.h"
#include "base/spawn.h"

enum { RULES_MAX = 2 << 20, RUN_MS = 30000 };

/* The result's bytes are those of out. */
static int run(char *const *argv, const ProtobufCBinaryData *input, struct deadline deadline,
	       struct buf *out, struct err *err)
{
	struct spawn s = { .argv = argv };

	if (spawn_run(&s, input ? (const char *)input->data : NULL, input ? input->len : 0, out,
		      deadline, err) != 0)
		return err_wrap(err, "%s", argv[0]);
	return buf_check(out, argv[0], err);
}

void on_get_ip_tables(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__GetIPTablesRequest *r = request;
	const char *program = r->is_ipv6 ? "/sbin/ip6tables-save" : "/sbin/iptables-save";
	Grpc__GetIPTablesResponse reply = GRPC__GET_IPTABLES_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(RULES_MAX);
	struct err err = ERR_INIT;

	(void)arg;
	if (run(ARGV(program), NULL, flow_deadline(call, RUN_MS), &out, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data.data = (uint8_t *)out.data;
	reply.data.len = out.len;
	ttrpc_reply(call, &reply);
}

void on_set_ip_tables(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SetIPTablesRequest *r = request;
	const char *program = r->is_ipv6 ? "/sbin/ip6tables-restore" : "/sbin/iptables-restore";
	Grpc__SetIPTablesResponse reply = GRPC__SET_IPTABLES_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(RULES_MAX);
	struct err err = ERR_INIT;

	(void)arg;
	if (run(ARGV(program, "--wait", "5"), &r->data, flow_deadline(call, RUN_MS), &out, &err) <
	    0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data.data = (uint8_t *)out.data;
	reply.data.len = out.len;
	ttrpc_reply(call, &reply);
}
