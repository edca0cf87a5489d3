// SPDX-License-Identifier: Apache-2.0
/* The agent's statistics as io.containerd.cgroups.v1.Metrics. */

#include "shim/stats.h"

#include "base/mem.h"
#include "base/str.h"
#include "protocols/metrics.pb-c.h"
#include "protocols/task.pb-c.h"

#include <stdlib.h>

typedef Io__Containerd__Cgroups__V1__MemoryStat MemoryStat;
typedef Io__Containerd__Cgroups__V1__MemoryEntry MemoryEntry;
typedef Io__Containerd__Cgroups__V1__NetworkStat NetworkStat;

static void fill_entry(MemoryEntry *to, const Grpc__MemoryData *from)
{
	io__containerd__cgroups__v1__memory_entry__init(to);
	if (!from)
		return;
	to->limit = from->limit;
	to->usage = from->usage;
	to->max = from->max_usage;
	to->failcnt = from->failcnt;
}

/* The message has pg_maj_fault for the kernel's pgmajfault. */
static bool same_letters(const char *a, const char *b)
{
	for (;;) {
		a += *a == '_';
		b += *b == '_';
		if (*a != *b)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

/* Fields of the same name, and "total_" before it: with a hierarchy they are one. */
static void fill_memory(MemoryStat *to, const Grpc__MemoryStats *from)
{
	const ProtobufCMessageDescriptor *d = &io__containerd__cgroups__v1__memory_stat__descriptor;

	for (size_t i = 0; i < from->n_stats; i++) {
		for (unsigned f = 0; f < d->n_fields; f++) {
			const char *name = d->fields[f].name;
			const char *bare = str_starts(name, "total_") ? name + 6 : name;

			if (d->fields[f].type == PROTOBUF_C_TYPE_UINT64 &&
			    same_letters(bare, from->stats[i]->key))
				*(uint64_t *)(void *)((char *)to + d->fields[f].offset) =
					from->stats[i]->value;
		}
	}
	to->cache = from->cache;
}

static NetworkStat **make_network(const Grpc__StatsContainerResponse *from)
{
	NetworkStat **list = xcalloc(from->n_network_stats, sizeof(*list));

	for (size_t i = 0; i < from->n_network_stats; i++) {
		const Grpc__NetworkStats *n = from->network_stats[i];
		NetworkStat *s = list[i] = NEW(NetworkStat);

		io__containerd__cgroups__v1__network_stat__init(s);
		s->name = n->name;
		s->rx_bytes = n->rx_bytes, s->rx_packets = n->rx_packets;
		s->rx_errors = n->rx_errors, s->rx_dropped = n->rx_dropped;
		s->tx_bytes = n->tx_bytes, s->tx_packets = n->tx_packets;
		s->tx_errors = n->tx_errors, s->tx_dropped = n->tx_dropped;
	}
	return list;
}

static void send(struct ttrpc_call *call, const Io__Containerd__Cgroups__V1__Metrics *m)
{
	Containerd__Task__V2__StatsResponse reply = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)"io.containerd.cgroups.v1.Metrics";
	any.value.data = xmalloc(io__containerd__cgroups__v1__metrics__get_packed_size(m));
	any.value.len = io__containerd__cgroups__v1__metrics__pack(m, any.value.data);
	reply.stats = &any;
	ttrpc_reply(call, &reply);
	free(any.value.data);
}

void stats_reply(struct ttrpc_call *call, const Grpc__StatsContainerResponse *from)
{
	const Grpc__CgroupStats *g = from->cgroup_stats;
	Io__Containerd__Cgroups__V1__Metrics m = IO__CONTAINERD__CGROUPS__V1__METRICS__INIT;
	Io__Containerd__Cgroups__V1__PidsStat pids = IO__CONTAINERD__CGROUPS__V1__PIDS_STAT__INIT;
	Io__Containerd__Cgroups__V1__CPUStat cpu = IO__CONTAINERD__CGROUPS__V1__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V1__CPUUsage usage = IO__CONTAINERD__CGROUPS__V1__CPUUSAGE__INIT;
	Io__Containerd__Cgroups__V1__Throttle throttle =
		IO__CONTAINERD__CGROUPS__V1__THROTTLE__INIT;
	MemoryStat memory = IO__CONTAINERD__CGROUPS__V1__MEMORY_STAT__INIT;
	MemoryEntry used, swap, kernel;

	if (g && g->pids_stats) {
		pids.current = g->pids_stats->current;
		pids.limit = g->pids_stats->limit;
		m.pids = &pids;
	}
	if (g && g->cpu_stats && g->cpu_stats->cpu_usage) {
		usage.total = g->cpu_stats->cpu_usage->total_usage;
		usage.kernel = g->cpu_stats->cpu_usage->usage_in_kernelmode;
		usage.user = g->cpu_stats->cpu_usage->usage_in_usermode;
		cpu.usage = &usage;
		m.cpu = &cpu;
	}
	if (m.cpu && g->cpu_stats->throttling_data) {
		throttle.periods = g->cpu_stats->throttling_data->periods;
		throttle.throttled_periods = g->cpu_stats->throttling_data->throttled_periods;
		throttle.throttled_time = g->cpu_stats->throttling_data->throttled_time;
		cpu.throttling = &throttle;
	}
	if (g && g->memory_stats) {
		fill_memory(&memory, g->memory_stats);
		fill_entry(&used, g->memory_stats->usage);
		fill_entry(&swap, g->memory_stats->swap_usage);
		fill_entry(&kernel, g->memory_stats->kernel_usage);
		memory.usage = &used;
		memory.swap = &swap;
		memory.kernel = &kernel;
		m.memory = &memory;
	}
	m.network = make_network(from);
	m.n_network = from->n_network_stats;
	send(call, &m);
	for (size_t i = 0; i < m.n_network; i++)
		free(m.network[i]);
	free(m.network);
}
