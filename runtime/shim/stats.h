// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocols/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Answers a Stats call with the agent's statistics as containerd's cgroup v1 metrics: its clients
 * accept these whatever the cgroup version of the guest. */
void stats_reply(struct ttrpc_call *call, const Grpc__StatsContainerResponse *from);
