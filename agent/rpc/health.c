// SPDX-License-Identifier: Apache-2.0
/* grpc.Health: whether the agent serves requests, and its version. */

#include "agent/rpc/rpc.h"

#include "protocols/health.pb-c.h"

static void on_check(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)request;
	(void)arg;
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_reply(call, &reply);
}

static void on_version(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	(void)request;
	(void)arg;
	reply.grpc_version = (char *)"0.0.1"; /* of the protocol, as upstream's */
	reply.agent_version = (char *)KATA_VERSION;
	ttrpc_reply(call, &reply);
}

const struct ttrpc_method health_methods[] = {
	{ "Check", TTRPC_EVENT, &grpc__check_request__descriptor, on_check },
	{ "Version", TTRPC_EVENT, &grpc__check_request__descriptor, on_version },
	{ NULL, TTRPC_EVENT, NULL, NULL },
};
