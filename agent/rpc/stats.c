// SPDX-License-Identifier: Apache-2.0
/* StatsContainer: a container's cgroup, and the guest's network interfaces. */

#include "agent/rpc/rpc.h"

#include "agent/sandbox.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer_parts {
	Grpc__StatsContainerResponse reply;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData mem_usage, mem_swap, mem_kernel;
	Grpc__PidsStats pids;
	Grpc__BlkioStats blkio;
};

static void fill_memory(Grpc__MemoryData *to, const struct container_memory_counter *from)
{
	grpc__memory_data__init(to);
	to->usage = from->usage;
	to->max_usage = from->max_usage;
	to->failcnt = from->failcnt;
	to->limit = from->limit;
}

static Grpc__MemoryStats__StatsEntry **make_stats(const struct container_stats *s)
{
	Grpc__MemoryStats__StatsEntry **list = xcalloc(s->memory.n_stats, sizeof(*list));

	for (size_t i = 0; i < s->memory.n_stats; i++) {
		list[i] = NEW(Grpc__MemoryStats__StatsEntry);
		grpc__memory_stats__stats_entry__init(list[i]);
		list[i]->key = s->memory.stats[i].key;
		list[i]->value = s->memory.stats[i].value;
	}
	return list;
}

static Grpc__BlkioStatsEntry **make_blkio(const struct container_blkio_entry *v, size_t n)
{
	Grpc__BlkioStatsEntry **list = xcalloc(n, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		list[i] = NEW(Grpc__BlkioStatsEntry);
		grpc__blkio_stats_entry__init(list[i]);
		list[i]->major = v[i].major;
		list[i]->minor = v[i].minor;
		list[i]->op = (char *)v[i].op;
		list[i]->value = v[i].value;
	}
	return list;
}

typedef Grpc__CgroupStats__HugetlbStatsEntry HugetlbEntry;

static HugetlbEntry **make_hugetlb(const struct container_stats *s)
{
	HugetlbEntry **list = xcalloc(s->n_hugetlb, sizeof(*list));

	for (size_t i = 0; i < s->n_hugetlb; i++) {
		const struct container_hugetlb *h = &s->hugetlb[i];
		Grpc__HugetlbStats *value = NEW(Grpc__HugetlbStats);

		grpc__hugetlb_stats__init(value);
		value->usage = h->usage;
		value->max_usage = h->max_usage;
		value->failcnt = h->failcnt;
		list[i] = NEW(HugetlbEntry);
		grpc__cgroup_stats__hugetlb_stats_entry__init(list[i]);
		list[i]->key = (char *)h->page_size;
		list[i]->value = value;
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

/* Parses /proc/net/dev: two lines of heading, then "  eth0: 16 numbers". */
static void fill_network(Grpc__StatsContainerResponse *reply, char *text)
{
	char *rest = text, *line;

	reply->network_stats = xcalloc(64, sizeof(*reply->network_stats));
	for (int n = 0; (line = strsep(&rest, "\n")) && reply->n_network_stats < 64; n++) {
		Grpc__NetworkStats *s;
		uint64_t v[16] = { 0 };
		char *colon = strchr(line, ':'), *p;

		if (n < 2 || !colon)
			continue;
		*colon = '\0';
		p = colon + 1;
		for (size_t i = 0; i < ARRAY_LEN(v); i++)
			v[i] = strtoull(p, &p, 10);
		s = NEW(Grpc__NetworkStats);
		grpc__network_stats__init(s);
		s->name = line + strspn(line, " ");
		s->rx_bytes = v[0], s->rx_packets = v[1], s->rx_errors = v[2], s->rx_dropped = v[3];
		s->tx_bytes = v[8], s->tx_packets = v[9], s->tx_errors = v[10],
		s->tx_dropped = v[11];
		reply->network_stats[reply->n_network_stats++] = s;
	}
}

static void fill(struct answer_parts *a, const struct container_stats *s)
{
	grpc__stats_container_response__init(&a->reply);
	grpc__cgroup_stats__init(&a->cgroup);
	grpc__cpu_stats__init(&a->cpu);
	grpc__cpu_usage__init(&a->usage);
	grpc__throttling_data__init(&a->throttling);
	grpc__memory_stats__init(&a->memory);
	grpc__pids_stats__init(&a->pids);
	grpc__blkio_stats__init(&a->blkio);
	a->reply.cgroup_stats = &a->cgroup;
	a->cgroup.cpu_stats = &a->cpu;
	a->cgroup.memory_stats = &a->memory;
	a->cgroup.pids_stats = &a->pids;
	a->cgroup.blkio_stats = &a->blkio;
	a->cpu.cpu_usage = &a->usage;
	a->cpu.throttling_data = &a->throttling;
	a->usage.total_usage = s->cpu.total;
	a->usage.usage_in_kernelmode = s->cpu.kernel;
	a->usage.usage_in_usermode = s->cpu.user;
	a->throttling.periods = s->cpu.periods;
	a->throttling.throttled_periods = s->cpu.throttled_periods;
	a->throttling.throttled_time = s->cpu.throttled_time;
	fill_memory(&a->mem_usage, &s->memory.usage);
	fill_memory(&a->mem_swap, &s->memory.swap);
	fill_memory(&a->mem_kernel, &s->memory.kernel);
	a->memory.cache = s->memory.cache;
	a->memory.usage = &a->mem_usage;
	a->memory.swap_usage = &a->mem_swap;
	a->memory.kernel_usage = &a->mem_kernel;
	a->memory.use_hierarchy = s->memory.use_hierarchy;
	a->memory.stats = make_stats(s);
	a->memory.n_stats = s->memory.n_stats;
	a->pids.current = s->pids.current;
	a->pids.limit = s->pids.limit;
	a->blkio.io_service_bytes_recursive = make_blkio(s->blkio.service_bytes,
							 s->blkio.n_service_bytes);
	a->blkio.n_io_service_bytes_recursive = s->blkio.n_service_bytes;
	a->blkio.io_serviced_recursive = make_blkio(s->blkio.serviced, s->blkio.n_serviced);
	a->blkio.n_io_serviced_recursive = s->blkio.n_serviced;
	a->cgroup.hugetlb_stats = make_hugetlb(s);
	a->cgroup.n_hugetlb_stats = s->n_hugetlb;
}

static void reply_stats(struct ttrpc_call *call, const struct container_stats *s)
{
	AUTO(buf) struct buf net = BUF_INIT(64 * 1024);
	struct err ignored = ERR_INIT; /* no /proc/net/dev: no interfaces */
	struct answer_parts a;

	fill(&a, s);
	if (file_read(AT_FDCWD, "/proc/net/dev", 64 * 1024, &net, &ignored) == 0 && net.data)
		fill_network(&a.reply, net.data);
	ttrpc_reply(call, &a.reply);
	free_list(a.memory.stats, a.memory.n_stats);
	free_list(a.blkio.io_service_bytes_recursive, a.blkio.n_io_service_bytes_recursive);
	free_list(a.blkio.io_serviced_recursive, a.blkio.n_io_serviced_recursive);
	for (size_t i = 0; i < a.cgroup.n_hugetlb_stats; i++)
		free(a.cgroup.hugetlb_stats[i]->value);
	free_list(a.cgroup.hugetlb_stats, a.cgroup.n_hugetlb_stats);
	free_list(a.reply.network_stats, a.reply.n_network_stats);
}

void on_stats_container(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__StatsContainerRequest *r = request;
	struct sandbox *s = arg;
	struct container_stats stats;
	struct err err = ERR_INIT;
	struct entry *e = entry_get(&s->containers, r->container_id, &err);
	int result = e ? container_stats(e->core, &stats, &err) : -1;

	if (e)
		entry_put(e);
	if (result < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply_stats(call, &stats);
	container_stats_release(&stats);
}
