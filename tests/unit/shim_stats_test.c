// SPDX-License-Identifier: Apache-2.0
/* A guest's statistics, as containerd and the kubelet read them. */

#include "tests/unit/suite.h"

#include "base/scope.h"
#include "protocols/metrics.pb-c.h"
#include "protocols/task.pb-c.h"
#include "shim/stats.h"

#include <check.h>

static Io__Containerd__Cgroups__V1__Metrics *got;

/* The shim's answer ends here. */
void ttrpc_reply(struct ttrpc_call *call, const void *reply)
{
	const Containerd__Task__V2__StatsResponse *r = reply;

	(void)call;
	got = io__containerd__cgroups__v1__metrics__unpack(NULL, r->stats->value.len,
							   r->stats->value.data);
	ck_assert_ptr_nonnull(got);
}

/* The memory of a container whose memory.stat has these lines. */
static const Io__Containerd__Cgroups__V1__MemoryStat *memory_of(
	Grpc__MemoryStats__StatsEntry *const *lines, size_t n)
{
	Grpc__StatsContainerResponse from = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats group = GRPC__CGROUP_STATS__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;

	from.cgroup_stats = &group;
	group.memory_stats = &memory;
	memory.stats = (Grpc__MemoryStats__StatsEntry **)lines;
	memory.n_stats = n;
	stats_reply(NULL, &from);
	return got->memory;
}

#define LINE(k, v)                                                                     \
	(&(Grpc__MemoryStats__StatsEntry){                                             \
		PROTOBUF_C_MESSAGE_INIT(&grpc__memory_stats__stats_entry__descriptor), \
		(char *)(k), (v) })

/* cgroup v1: total_ includes the groups that the container has made, in whatever order. */
START_TEST(a_hierarchy_has_totals)
{
	Grpc__MemoryStats__StatsEntry *const lines[] = {
		LINE("total_inactive_file", 700),
		LINE("inactive_file", 100),
		LINE("pgmajfault", 3),
		LINE("total_pgmajfault", 5),
		LINE("rss", 11),
	};
	const Io__Containerd__Cgroups__V1__MemoryStat *m = memory_of(lines, ARRAY_LEN(lines));

	ck_assert_uint_eq(m->inactive_file, 100);
	ck_assert_uint_eq(m->total_inactive_file, 700);
	ck_assert_uint_eq(m->pg_maj_fault, 3);
	ck_assert_uint_eq(m->total_pg_maj_fault, 5);
	ck_assert_uint_eq(m->total_rss, 11);
	io__containerd__cgroups__v1__metrics__free_unpacked(got, NULL);
}
END_TEST

/* cgroup v2 has totals only, without the prefix. */
START_TEST(a_unified_hierarchy_has_totals_only)
{
	Grpc__MemoryStats__StatsEntry *const lines[] = { LINE("inactive_file", 100),
							 LINE("pgfault", 7), LINE("oom_kill", 2) };
	const Io__Containerd__Cgroups__V1__MemoryStat *m = memory_of(lines, ARRAY_LEN(lines));

	ck_assert_uint_eq(m->inactive_file, 100);
	ck_assert_uint_eq(m->total_inactive_file, 100);
	ck_assert_uint_eq(m->total_pg_fault, 7);
	ck_assert_uint_eq(got->memory_oom_control->oom_kill, 2);
	ck_assert_uint_eq(m->total_rss, 0);
	io__containerd__cgroups__v1__metrics__free_unpacked(got, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("statistics");
	TCase *t = tcase_create("statistics");

	tcase_add_test(t, a_hierarchy_has_totals);
	tcase_add_test(t, a_unified_hierarchy_has_totals_only);
	suite_add_tcase(s, t);
	return suite_run(s);
}
