// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocols/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Answers a Stats call: the agent's numbers as containerd's cgroups v1 metrics, which is what its
 * clients read whatever the cgroup version of the guest. */
void stats_reply(struct ttrpc_call *call, const Grpc__StatsContainerResponse *from);
