// SPDX-License-Identifier: Apache-2.0
/* The agent's statistics as io.containerd.cgroups.v1.Metrics. */

#include "shim/stats.h"

#include "base/mem.h"
#include "base/str.h"
#include "protocols/metrics.pb-c.h"
#include "protocols/task.pb-c.h"

#include <stdlib.h>
#include <string.h>

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

/* True if the names are equal but for underscores: the message has pg_maj_fault for the kernel's
 * pgmajfault. */
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

static void set_fields(MemoryStat *to, const char *prefix,
		       const Grpc__MemoryStats__StatsEntry *line)
{
	const ProtobufCMessageDescriptor *d = &io__containerd__cgroups__v1__memory_stat__descriptor;
	size_t len = strlen(prefix);

	for (unsigned f = 0; f < d->n_fields; f++) {
		const char *name = d->fields[f].name;

		if (d->fields[f].type == PROTOBUF_C_TYPE_UINT64 && str_starts(name, prefix) &&
		    same_letters(name + len, line->key))
			*(uint64_t *)(void *)((char *)to + d->fields[f].offset) = line->value;
	}
}

/* Sets the fields of each statistic's name. Those with "total_" include the control groups that the
 * container has made: cgroup v1 has lines for them, in version 2 every line is a total. */
static void fill_memory(MemoryStat *to, const Grpc__MemoryStats *from)
{
	static const char *const prefixes[] = { "total_", "" };

	for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
		for (size_t i = 0; i < from->n_stats; i++)
			set_fields(to, prefixes[p], from->stats[i]);
	}
	to->cache = from->cache;
}

static uint64_t count_kills(const Grpc__MemoryStats *from)
{
	for (size_t i = 0; i < from->n_stats; i++) {
		if (str_eq(from->stats[i]->key, "oom_kill"))
			return from->stats[i]->value;
	}
	return 0;
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

typedef Io__Containerd__Cgroups__V1__HugetlbStat HugetlbStat;
typedef Io__Containerd__Cgroups__V1__BlkIOEntry BlkIOEntry;

static HugetlbStat **make_hugetlb(const Grpc__CgroupStats *from)
{
	HugetlbStat **list = xcalloc(from->n_hugetlb_stats, sizeof(*list));

	for (size_t i = 0; i < from->n_hugetlb_stats; i++) {
		const Grpc__HugetlbStats *h = from->hugetlb_stats[i]->value;
		HugetlbStat *s = list[i] = NEW(HugetlbStat);

		io__containerd__cgroups__v1__hugetlb_stat__init(s);
		s->pagesize = from->hugetlb_stats[i]->key;
		if (!h)
			continue;
		s->usage = h->usage;
		s->max = h->max_usage;
		s->failcnt = h->failcnt;
	}
	return list;
}

/* Without names of devices: the numbers are the guest's. */
static BlkIOEntry **make_blkio(Grpc__BlkioStatsEntry *const *from, size_t n)
{
	BlkIOEntry **list = xcalloc(n, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		BlkIOEntry *e = list[i] = NEW(BlkIOEntry);

		io__containerd__cgroups__v1__blk_ioentry__init(e);
		e->op = from[i]->op;
		e->major = from[i]->major;
		e->minor = from[i]->minor;
		e->value = from[i]->value;
	}
	return list;
}

static void free_list(void *list, size_t n)
{
	void **v = list;

	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static void fill_blkio(Io__Containerd__Cgroups__V1__BlkIOStat *to, const Grpc__BlkioStats *from)
{
	to->n_io_service_bytes_recursive = from->n_io_service_bytes_recursive;
	to->io_service_bytes_recursive = make_blkio(from->io_service_bytes_recursive,
						    from->n_io_service_bytes_recursive);
	to->n_io_serviced_recursive = from->n_io_serviced_recursive;
	to->io_serviced_recursive = make_blkio(from->io_serviced_recursive,
					       from->n_io_serviced_recursive);
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

/* Every part is present, with zeros for what the guest does not report: readers dereference most
 * parts without a check (CRI-O 1.32 crashes). */
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
	Io__Containerd__Cgroups__V1__MemoryOomControl oom =
		IO__CONTAINERD__CGROUPS__V1__MEMORY_OOM_CONTROL__INIT;
	Io__Containerd__Cgroups__V1__BlkIOStat blkio =
		IO__CONTAINERD__CGROUPS__V1__BLK_IOSTAT__INIT;
	const Grpc__MemoryStats *reported = g ? g->memory_stats : NULL;
	MemoryEntry used, swap, kernel, tcp;

	m.pids = &pids;
	m.cpu = &cpu;
	cpu.usage = &usage;
	cpu.throttling = &throttle;
	m.memory = &memory;
	m.memory_oom_control = &oom;
	memory.usage = &used;
	memory.swap = &swap;
	memory.kernel = &kernel;
	memory.kernel_tcp = &tcp;
	fill_entry(&used, reported ? reported->usage : NULL);
	fill_entry(&swap, reported ? reported->swap_usage : NULL);
	fill_entry(&kernel, reported ? reported->kernel_usage : NULL);
	fill_entry(&tcp, NULL);
	if (g && g->pids_stats) {
		pids.current = g->pids_stats->current;
		pids.limit = g->pids_stats->limit;
	}
	if (g && g->cpu_stats && g->cpu_stats->cpu_usage) {
		usage.total = g->cpu_stats->cpu_usage->total_usage;
		usage.kernel = g->cpu_stats->cpu_usage->usage_in_kernelmode;
		usage.user = g->cpu_stats->cpu_usage->usage_in_usermode;
	}
	if (g && g->cpu_stats && g->cpu_stats->throttling_data) {
		throttle.periods = g->cpu_stats->throttling_data->periods;
		throttle.throttled_periods = g->cpu_stats->throttling_data->throttled_periods;
		throttle.throttled_time = g->cpu_stats->throttling_data->throttled_time;
	}
	if (reported) {
		fill_memory(&memory, reported);
		oom.oom_kill = count_kills(reported);
		/* cgroup v2 has no line for the hierarchy: the container's own limit. */
		if (!memory.hierarchical_memory_limit)
			memory.hierarchical_memory_limit = used.limit;
	}
	if (g && g->blkio_stats) {
		fill_blkio(&blkio, g->blkio_stats);
		m.blkio = &blkio;
	}
	if (g) {
		m.hugetlb = make_hugetlb(g);
		m.n_hugetlb = g->n_hugetlb_stats;
	}
	m.network = make_network(from);
	m.n_network = from->n_network_stats;
	send(call, &m);
	free_list(blkio.io_service_bytes_recursive, blkio.n_io_service_bytes_recursive);
	free_list(blkio.io_serviced_recursive, blkio.n_io_serviced_recursive);
	free_list(m.hugetlb, m.n_hugetlb);
	free_list(m.network, m.n_network);
}
