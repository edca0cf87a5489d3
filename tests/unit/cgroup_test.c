// SPDX-License-Identifier: Apache-2.0
/* libs/container: limits as files and texts, device programs, counters. Does not need root. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/init.h"
#include "mount/mount.h"

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct oci_resources *resources(const char *json)
{
	struct err err = ERR_INIT;
	struct oci_resources *r = oci_resources_parse(json, strlen(json), "r", &err);

	ck_assert_msg(r != NULL, "%s", err.msg);
	return r;
}

/* "file=value" lines. */
static char *listed(const struct cgroup_settings *s)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 16);

	for (size_t i = 0; i < s->n; i++)
		buf_fmt(&b, "%s=%s\n", s->v[i].file, s->v[i].value);
	return xstrdup(buf_cstr(&b));
}

static const struct {
	const char *json, *v1, *v2;
} rows[] = {
	{ "{}", "", "" },
	{ "{\"memory\":{\"limit\":1000,\"swap\":3000,\"reservation\":500,\"swappiness\":0}}",
	  "memory.limit_in_bytes=1000\nmemory.memsw.limit_in_bytes=3000\n"
	  "memory.soft_limit_in_bytes=500\nmemory.swappiness=0\n",
	  "memory.max=1000\nmemory.low=500\nmemory.swap.max=2000\n" },
	{ "{\"memory\":{\"limit\":-1,\"swap\":-1}}",
	  "memory.limit_in_bytes=-1\nmemory.memsw.limit_in_bytes=-1\n",
	  "memory.max=max\nmemory.swap.max=max\n" },
	{ "{\"memory\":{\"limit\":-1}}",
	  "memory.limit_in_bytes=-1\nmemory.memsw.limit_in_bytes=-1\n",
	  "memory.max=max\nmemory.swap.max=max\n" },
	{ "{\"memory\":{\"limit\":-1,\"swap\":0}}",
	  "memory.limit_in_bytes=-1\nmemory.memsw.limit_in_bytes=-1\n",
	  "memory.max=max\nmemory.swap.max=max\n" },
	{ "{\"cpu\":{\"shares\":1024,\"quota\":50000,\"period\":100000,\"cpus\":\"0-1\"}}",
	  "cpu.shares=1024\ncpu.cfs_period_us=100000\ncpu.cfs_quota_us=50000\ncpuset.cpus=0-1\n",
	  "cpu.weight=39\ncpu.max=50000 100000\ncpuset.cpus=0-1\n" },
	{ "{\"cpu\":{\"quota\":50000,\"burst\":0}}",
	  "cpu.cfs_burst_us=0\ncpu.cfs_quota_us=50000\ncpu.cfs_burst_us=0\n",
	  "cpu.max.burst=0\ncpu.max=50000 100000\ncpu.max.burst=0\n" },
	{ "{\"cpu\":{\"shares\":2,\"quota\":-1}}", "cpu.shares=2\ncpu.cfs_quota_us=-1\n",
	  "cpu.weight=1\ncpu.max=max 100000\n" },
	{ "{\"cpu\":{\"shares\":262144}}", "cpu.shares=262144\n", "cpu.weight=10000\n" },
	{ "{\"pids\":{\"limit\":-1}}", "pids.max=max\n", "pids.max=max\n" },
	{ "{\"pids\":{\"limit\":7}}", "pids.max=7\n", "pids.max=7\n" },
	{ "{\"blockIO\":{\"weight\":500,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,"
	  "\"rate\":10}],\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":20}]}}",
	  "blkio.bfq.weight=500\nblkio.throttle.read_bps_device=8:0 10\n"
	  "blkio.throttle.write_iops_device=8:1 20\n",
	  "io.weight=default 4950\nio.max=8:0 rbps=10\nio.max=8:1 wiops=20\n" },
	{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4096}]}",
	  "hugetlb.2MB.limit_in_bytes=4096\nhugetlb.2MB.rsvd.limit_in_bytes=4096\n",
	  "hugetlb.2MB.max=4096\nhugetlb.2MB.rsvd.max=4096\n" },
	{ "{\"unified\":{\"memory.high\":\"5\",\"io.max\":\"8:0 rbps=1\\n8:1 rbps=2\"}}", "",
	  "memory.high=5\nio.max=8:0 rbps=1\nio.max=8:1 rbps=2\n" },
};

START_TEST(limits_become_settings)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(oci_resources) struct oci_resources *r = resources(rows[i].json);
		AUTO(cgroup_settings) struct cgroup_settings v1 = { 0 };
		AUTO(cgroup_settings) struct cgroup_settings v2 = { 0 };
		struct err err = ERR_INIT;

		ck_assert_msg(cgroup_v1_settings(r, &v1, &err) == 0, "%s", err.msg);
		ck_assert_msg(cgroup_v2_settings(r, &v2, &err) == 0, "%s", err.msg);
		AUTO(str) char *one = listed(&v1);
		AUTO(str) char *two = listed(&v2);
		ck_assert_str_eq(one, rows[i].v1);
		ck_assert_str_eq(two, rows[i].v2);
	}
}
END_TEST

START_TEST(impossible_limits_are_refused)
{
	static const char *const bad[] = {
		"{\"memory\":{\"swap\":100}}",      "{\"memory\":{\"limit\":200,\"swap\":100}}",
		"{\"unified\":{\"../x.y\":\"1\"}}", "{\"unified\":{\"cgroup.procs\":\"1\"}}",
		"{\"unified\":{\"nodot\":\"1\"}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(oci_resources) struct oci_resources *r = resources(bad[i]);
		AUTO(cgroup_settings) struct cgroup_settings s = { 0 };
		struct err err = ERR_INIT;

		ck_assert_int_eq(cgroup_v2_settings(r, &s, &err), -1);
		ck_assert_int_eq(err.code, E_INVALID);
	}
}
END_TEST

START_TEST(swappiness_is_of_v1)
{
	static const struct {
		const char *value;
		const char *set; /* NULL: refused */
	} values[] = { { "0", "memory.swappiness=0\n" },
		       { "200", "memory.swappiness=200\n" },
		       { "18446744073709551615", "" },
		       { "201", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		AUTO(str) char *json = str_fmt("{\"memory\":{\"swappiness\":%s}}", values[i].value);
		AUTO(oci_resources) struct oci_resources *r = resources(json);
		AUTO(cgroup_settings) struct cgroup_settings v1 = { 0 }, v2 = { 0 };
		AUTO(str) char *text = NULL;
		struct err err = ERR_INIT;
		int result = cgroup_v1_settings(r, &v1, &err);

		ck_assert_int_eq(result, values[i].set ? 0 : -1);
		text = listed(&v1);
		if (values[i].set)
			ck_assert_msg(str_starts(text, values[i].set), "%s", text);
		err_clear(&err);
		ck_assert_int_eq(cgroup_v2_settings(r, &v2, &err), 0);
		ck_assert_uint_eq(v2.n, 0);
	}
}
END_TEST

START_TEST(device_rules_for_v1)
{
	AUTO(oci_resources)
	struct oci_resources *r = resources(
		"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"r\"}]}");
	AUTO(cgroup_settings) struct cgroup_settings s = { 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(cgroup_v1_settings(r, &s, &err), 0);
	AUTO(str) char *text = listed(&s);
	ck_assert(str_starts(text, "devices.deny=a\ndevices.allow=c 10:200 rw\n"
				   "devices.allow=b 8:* r\ndevices.allow=c *:* m\n"));
}
END_TEST

/* Interprets a program, as far as our programs need it; returns what the kernel would. */
static int interpret(const struct bpf_insn *code, size_t n, const uint32_t request[3])
{
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &code[pc];
		uint64_t b = BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint64_t)i->imm;
		bool jump = false;

		switch (i->code) {
		case BPF_LDX | BPF_W | BPF_MEM:
			ck_assert_int_eq(i->src_reg, BPF_REG_1);
			reg[i->dst_reg] = request[i->off / 4];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = b;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			reg[i->dst_reg] = (uint32_t)reg[i->dst_reg] & (uint32_t)b;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			reg[i->dst_reg] = (uint32_t)reg[i->dst_reg] >> b;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
		case BPF_JMP | BPF_JNE | BPF_X:
			jump = reg[i->dst_reg] != b;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = reg[i->dst_reg] == b;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			ck_abort_msg("instruction %#x", i->code);
		}
		pc += jump ? (size_t)i->off : 0;
	}
	ck_abort_msg("the program does not end");
	return -1;
}

static int decide(const struct bpf_insn *code, size_t n, char type, const char *access,
		  unsigned major, unsigned minor)
{
	uint32_t bits = (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0) |
			(strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) |
			(strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0);
	uint32_t request[3] = {
		bits << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major, minor
	};

	return interpret(code, n, request);
}

struct ask {
	char type;
	const char *access;
	unsigned major, minor;
	int answer;
};

static void expect_answers(const struct oci_resources *r, const struct ask *asks, size_t n_asks)
{
	size_t n_rules, n;
	struct err err = ERR_INIT;
	AUTO(mem) struct oci_device_rule *rules = cgroup_device_rules(r, &n_rules);
	AUTO(mem) struct bpf_insn *code = cgroup_bpf_program(rules, n_rules, &n, &err);

	ck_assert_ptr_nonnull(code);
	for (size_t i = 0; i < n_asks; i++)
		ck_assert_msg(decide(code, n, asks[i].type, asks[i].access, asks[i].major,
				     asks[i].minor) == asks[i].answer,
			      "%c %u:%u %s", asks[i].type, asks[i].major, asks[i].minor,
			      asks[i].access);
}

START_TEST(device_rules_for_v2)
{
	AUTO(oci_resources)
	struct oci_resources *r = resources(
		"{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":99},"
		"{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"rw\"},"
		"{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"w\"}]}");
	static const struct ask asks[] = {
		{ 'c', "rw", 10, 200, 1 }, { 'c', "r", 10, 200, 1 },  { 'c', "rwm", 10, 200, 0 },
		{ 'c', "m", 10, 200, 1 },  { 'c', "rw", 10, 201, 0 }, { 'b', "rw", 10, 200, 0 },
		{ 'b', "rw", 8, 0, 1 },    { 'b', "rw", 8, 1, 0 },    { 'b', "r", 8, 1, 1 },
		{ 'c', "rw", 1, 3, 1 },    { 'c', "r", 136, 17, 1 },  { 'c', "r", 1, 11, 0 },
		{ 'c', "r", 99, 1, 0 },    { 'b', "m", 99, 1, 1 },    { 'b', "r", 99, 1, 0 },
	};

	expect_answers(r, asks, ARRAY_LEN(asks));
}
END_TEST

/* As in version 1, where rules for the same device are one. */
START_TEST(rules_that_allow_the_same_device_add_up)
{
	AUTO(oci_resources)
	struct oci_resources *r = resources(
		"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":201,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"w\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"m\"},"
		"{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"w\"}]}");
	static const struct ask asks[] = {
		{ 'c', "rw", 10, 200, 1 },  { 'c', "r", 10, 200, 1 }, { 'c', "w", 10, 200, 1 },
		{ 'c', "rwm", 10, 200, 0 }, { 'c', "m", 10, 200, 1 }, { 'c', "rw", 10, 201, 0 },
		{ 'b', "rw", 8, 0, 0 },     { 'b', "w", 8, 0, 1 },    { 'b', "r", 8, 0, 0 },
	};

	expect_answers(r, asks, ARRAY_LEN(asks));
}
END_TEST

/* The verifier accepts a program that ends with exit and has no unreachable instruction, however
 * the access of a rule for all devices is written. */
START_TEST(a_rule_for_all_devices_ends_the_program)
{
	static const struct {
		const char *access;
		int read, write;
	} cases[] = {
		{ "rwm", 0, 0 }, { "rwmr", 0, 0 }, { "", 0, 0 }, { "rrr", 0, 1 }, { "www", 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_device_rule deny = { .type = (char *)"a",
						      .access = (char *)cases[i].access };
		struct err err = ERR_INIT;
		size_t n;
		AUTO(mem) struct bpf_insn *code = cgroup_bpf_program(&deny, 1, &n, &err);

		ck_assert_ptr_nonnull(code);
		ck_assert_uint_eq(code[n - 1].code, BPF_JMP | BPF_EXIT);
		for (size_t k = 0; k + 1 < n; k++)
			ck_assert_msg(code[k].code != (BPF_JMP | BPF_EXIT) ||
					      cases[i].read != cases[i].write,
				      "%s: unreachable code", cases[i].access);
		ck_assert_int_eq(decide(code, n, 'c', "r", 10, 200), cases[i].read);
		ck_assert_int_eq(decide(code, n, 'c', "w", 10, 200), cases[i].write);
	}
}
END_TEST

START_TEST(no_rules_restrict_nothing)
{
	AUTO(oci_resources) struct oci_resources *r = resources("{}");
	size_t n;
	AUTO(mem) struct oci_device_rule *rules = cgroup_device_rules(r, &n);

	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_nonnull(rules);
}
END_TEST

/* --- a fake unified hierarchy --- */

static char dir[SCRATCH_DIR];

static void setup(void)
{
	scratch_make(dir, "cgroup");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static void put(const char *name, const char *text)
{
	scratch_write_text(dir, name, text);
}

/* Overwrites a file in place, so that open fds of it read the new text. */
static void put_again(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(dir, name);

	ck_assert_int_eq(truncate(path, 0), 0);
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_file(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(buf) struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 4096, &b, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&b), text);
}

START_TEST(a_unified_group_is_made_and_limited)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "//a/./b/../c", false);
	AUTO(oci_resources) struct oci_resources *r = resources("{\"pids\":{\"limit\":7}}");
	struct err err = ERR_INIT;

	ck_assert_str_eq(g->path, "/a/c");
	put("cgroup.controllers", "pids\n");
	put("cgroup.subtree_control", "");
	AUTO(str) char *a = path_join(dir, "a");
	ck_assert_int_eq(mkdir(a, 0755), 0);
	put("a/cgroup.controllers", "memory pids\n");
	put("a/cgroup.subtree_control", "");
	ck_assert_msg(g->ops->make(g, &err) == 0, "%s", err.msg);
	expect_file("cgroup.subtree_control", "+pids");
	expect_file("a/cgroup.subtree_control", "+memory +pids"); /* in one write */
	put("a/c/pids.max", "max\n");
	put("a/c/cgroup.procs", "");
	ck_assert_msg(g->ops->apply(g, r, &err) == 0, "%s", err.msg);
	expect_file("a/c/pids.max", "7ax\n");
	ck_assert_int_eq(cgroup_add(g, 42, &err), 0);
	expect_file("a/c/cgroup.procs", "42");
}
END_TEST

/* The group has huge pages of 2 MB only. */
START_TEST(no_pages_of_a_size_that_is_missing_are_allowed)
{
	static const struct {
		const char *size;
		int limit;
		enum err_code code;
	} limits[] = { { "2MB", 0, E_OK }, { "1GB", 0, E_OK }, { "1GB", 4096, E_NOT_FOUND } };

	put("hugetlb.2MB.max", "max");
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/", false);
		AUTO(str)
		char *json = str_fmt("{\"hugepageLimits\":[{\"pageSize\":\"%s\","
				     "\"limit\":%d}]}",
				     limits[i].size, limits[i].limit);
		AUTO(oci_resources) struct oci_resources *r = resources(json);
		struct err err = ERR_INIT;

		ck_assert_int_eq(g->ops->apply(g, r, &err), limits[i].code ? -1 : 0);
		ck_assert_int_eq(err.code, limits[i].code);
	}
	expect_file("hugetlb.2MB.max", "0ax");
}
END_TEST

/* Whatever the path, it is the topmost group that leaves tasks to the others. */
START_TEST(tasks_are_reserved_at_the_top)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/a/b", false);
	AUTO(str) char *b = path_join(dir, "a/b");
	struct err err = ERR_INIT;
	AUTO(str) char *threads = file_read_line(AT_FDCWD, "/proc/sys/kernel/threads-max", &err);
	AUTO(str) char *pids = file_read_line(AT_FDCWD, "/proc/sys/kernel/pid_max", &err);
	AUTO(str) char *wanted = NULL;
	uint64_t most, ids;

	ck_assert_int_eq(str_u64(threads, 10, 1, UINT64_MAX, "threads-max", &most, &err), 0);
	ck_assert_int_eq(str_u64(pids, 10, 1, UINT64_MAX, "pid_max", &ids, &err), 0);
	most = ids < most ? ids : most;
	ck_assert_int_eq(path_make(b, 0755, &err), 0);
	ck_assert_int_eq(cgroup_reserve_tasks(g, 7, &err), 0); /* there is no controller */
	put("a/pids.max", "");
	put("a/b/pids.max", "");
	ck_assert_int_eq(cgroup_reserve_tasks(g, UINT_MAX, &err), 0);
	expect_file("a/pids.max", "");
	ck_assert_int_eq(cgroup_reserve_tasks(g, 7, &err), 0);
	wanted = str_fmt("%" PRIu64, most - 7);
	expect_file("a/pids.max", wanted);
	expect_file("a/b/pids.max", "");
}
END_TEST

START_TEST(a_limit_below_the_usage_is_refused_on_request)
{
	static const struct {
		const char *memory;
		bool good;
	} limits[] = { { "\"limit\":4096", true },
		       { "\"limit\":4096,\"checkBeforeUpdate\":true", false },
		       { "\"limit\":4097,\"checkBeforeUpdate\":true", true },
		       { "\"limit\":-1,\"checkBeforeUpdate\":true", true } };
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/", false);

	put("memory.current", "4096\n");
	put("memory.swap.max", "");
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		AUTO(str) char *json = str_fmt("{\"memory\":{%s}}", limits[i].memory);
		AUTO(oci_resources) struct oci_resources *r = resources(json);
		struct err err = ERR_INIT;

		put("memory.max", "-");
		ck_assert_int_eq(g->ops->apply(g, r, &err), limits[i].good ? 0 : -1);
		ck_assert_int_eq(err.code, limits[i].good ? E_OK : E_STATE);
		if (!limits[i].good)
			expect_file("memory.max", "-");
	}
}
END_TEST

/* An update of the swap alone counts the memory that the group has. Without a limit of the memory
 * only an explicit one makes it a limit of the swap itself. */
START_TEST(a_limit_of_the_swap_counts_the_memory)
{
	static const struct {
		const char *has, *memory, *swap;
	} swaps[] = { { "1000\n", "\"swap\":3000", "2000" },
		      { "1000\n", "\"swap\":900", NULL },
		      { "max\n", "\"swap\":3000", NULL },
		      { "1000\n", "\"swap\":3000,\"limit\":-1", "3000" },
		      { "1000\n", "\"swap\":3000,\"limit\":2500", "500" },
		      { "1000\n", "\"swap\":-1", "max" } };
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/", false);

	for (size_t i = 0; i < ARRAY_LEN(swaps); i++) {
		AUTO(str) char *json = str_fmt("{\"memory\":{%s}}", swaps[i].memory);
		AUTO(oci_resources) struct oci_resources *r = resources(json);
		struct err err = ERR_INIT;

		put("memory.max", swaps[i].has);
		put("memory.swap.max", "-");
		ck_assert_int_eq(g->ops->apply(g, r, &err), swaps[i].swap ? 0 : -1);
		ck_assert_int_eq(err.code, swaps[i].swap ? E_OK : E_INVALID);
		expect_file("memory.swap.max", swaps[i].swap ? swaps[i].swap : "-");
	}
}
END_TEST

START_TEST(unified_counters)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/", false);
	struct container_stats s = { 0 };
	struct err err = ERR_INIT;
	struct container_oom oom = CONTAINER_OOM_NONE;

	put("cpu.stat", "usage_usec 10\nuser_usec 7\nsystem_usec 3\nnr_periods 4\nnr_throttled 2\n"
			"throttled_usec 9\n");
	put("memory.current", "4096\n");
	put("memory.max", "max\n");
	put("memory.stat", "anon 1\nfile 2\nkernel 3\npgfault 4\nbroken\nx y\n");
	put("memory.events", "low 0\nmax 5\noom 1\noom_kill 3\noom_group_kill 9\n");
	put("pids.current", "6\n");
	put("pids.max", "8\n");
	put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:1\nx\n");
	put("hugetlb.2MB.current", "7\n");
	put("hugetlb.2MB.max", "9\n");
	put("hugetlb.2MB.rsvd.current", "1\n");
	ck_assert_int_eq(g->ops->stats(g, &s, &err), 0);
	ck_assert_uint_eq(s.cpu.total, 10000);
	ck_assert_uint_eq(s.cpu.user, 7000);
	ck_assert_uint_eq(s.cpu.throttled_time, 9000);
	ck_assert_uint_eq(s.memory.usage.usage, 4096);
	ck_assert_uint_eq(s.memory.usage.limit, UINT64_MAX);
	ck_assert_uint_eq(s.memory.usage.failcnt, 5);
	ck_assert_uint_eq(s.memory.cache, 2);
	ck_assert_uint_eq(s.memory.n_stats, 5);
	ck_assert_str_eq(s.memory.stats[0].key, "rss");
	ck_assert_str_eq(s.memory.stats[1].key, "cache");
	ck_assert_str_eq(s.memory.stats[4].key, "oom_kill");
	ck_assert_uint_eq(s.memory.stats[4].value, 3);
	ck_assert_uint_eq(s.pids.current, 6);
	ck_assert_uint_eq(s.pids.limit, 8);
	ck_assert_uint_eq(s.blkio.n_service_bytes, 3);
	ck_assert_str_eq(s.blkio.service_bytes[2].op, "Discard");
	ck_assert_uint_eq(s.blkio.n_serviced, 3);
	ck_assert_uint_eq(s.n_hugetlb, 1);
	ck_assert_str_eq(s.hugetlb[0].page_size, "2MB");
	ck_assert_uint_eq(s.hugetlb[0].usage, 7);
	container_stats_release(&s);
	ck_assert_int_eq(g->ops->oom_open(g, &oom, &err), 0);
	ck_assert_uint_eq(oom.kills, 3);
	put_again("memory.events", "oom_kill 5\n");
	ck_assert_int_eq(container_oom_read(&oom, &err), 0);
	ck_assert_uint_eq(oom.kills, 5);
	container_oom_close(&oom);
}
END_TEST

START_TEST(a_unified_group_is_frozen)
{
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(dir, "/", false);
	struct err err = ERR_INIT;

	put("cgroup.freeze", "0");
	put("cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert_int_eq(g->ops->frozen(g, &err), 0);
	ck_assert_int_eq(g->ops->freeze(g, true, deadline_in(1000), &err), 0);
	ck_assert_int_eq(g->ops->frozen(g, &err), 1);
	ck_assert_int_eq(g->ops->freeze(g, false, deadline_in(20), &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
}
END_TEST

/* --- groups of this machine --- */

/* Where the hierarchy of cgroup v1 with this controller, or that of v2, is mounted; NULL if it is
 * not. */
static char *mounted(const char *type, const char *controller)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_list_read(&list, &err), 0);
	for (size_t i = 0; i < list.n; i++) {
		AUTO(strv) char **options = strv_split(list.v[i].super_options, ",");

		if (str_eq(list.v[i].type, type) && (!controller || strv_has(options, controller)))
			return xstrdup(list.v[i].target);
	}
	return NULL;
}

/* Makes nested groups; their path is longer than PATH_MAX. */
static void nest(const char *top, size_t levels)
{
	int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < levels; i++) {
		int next;

		ck_assert_int_eq(mkdirat(at, "deeper", 0755), 0);
		next = openat(at, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		(void)close(at);
		at = next;
	}
	(void)close(at);
}

/* Deeply nested groups of a container are listed and removed, with a small stack. */
static void check_deep(const char *mount, size_t levels)
{
	AUTO(str) char *name = str_fmt("kata-deep-%d", (int)getpid());
	AUTO(cgroup) struct cgroup *g = cgroup_new_unified(mount, name, true);
	struct rlimit stack = { 256 << 10, 256 << 10 };
	AUTO(mem) pid_t *pids = NULL;
	struct err err = ERR_INIT;
	size_t n;

	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &stack), 0);
	ck_assert_int_eq(mkdir(g->v[0].folder, 0755), 0);
	nest(g->v[0].folder, levels);
	ck_assert_msg(cgroup_pids(g, &pids, &n, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(n, 0);
	ck_assert_msg(cgroup_remove(g, deadline_in(60000), &err) == 0, "%s", err.msg);
	ck_assert(!path_exists(g->v[0].folder));
}

START_TEST(deep_groups_are_removed)
{
	AUTO(str) char *v1 = mounted("cgroup", "freezer");
	AUTO(str) char *v2 = mounted("cgroup2", NULL);

	if (geteuid() != 0 || (!v1 && !v2)) {
		printf("skipped: deep groups need root and a cgroup hierarchy\n");
		return;
	}
	if (v1)
		check_deep(v1, 2000);
	if (v2)
		check_deep(v2, 300);
}
END_TEST

START_TEST(v1_counters_are_parsed)
{
	struct container_stats s = { 0 };

	cgroup_parse_blkio("8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n8 Read 1\n8:0 Read x\n",
			   &s.blkio.service_bytes, &s.blkio.n_service_bytes);
	ck_assert_uint_eq(s.blkio.n_service_bytes, 3);
	cgroup_parse_per_cpu("1 2 18446744073709551616 3\n", &s);
	ck_assert_uint_eq(s.cpu.n_per_cpu, 3);
	ck_assert_uint_eq(cgroup_value("ab 1\na 2\n", "a"), 2);
	ck_assert_uint_eq(cgroup_value("\n\na 2", "a"), 2);
	ck_assert_uint_eq(cgroup_value("a -2", "a"), 0);
	container_stats_release(&s);
}
END_TEST

/* --- hierarchies --- */

#define MEMORY  "1 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define HYBRID  "2 1 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define UNIFIED "3 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define SECOND  "4 1 0:2 / /run/cilium/cgroupv2 rw - cgroup2 none rw\n"
#define NET_CLS "5 1 0:3 / /run/vpn/net_cls rw - cgroup net_cls rw,net_cls\n"

static const struct {
	const char *mounts;
	bool unified;
	const char *mount; /* of the first hierarchy */
} machines[] = {
	{ MEMORY, false, "/sys/fs/cgroup/memory" },
	{ HYBRID MEMORY, false, "/sys/fs/cgroup/memory" },
	{ MEMORY SECOND, false, "/sys/fs/cgroup/memory" },
	{ UNIFIED, true, "/sys/fs/cgroup" },
	{ SECOND UNIFIED, true, "/sys/fs/cgroup" },
	{ UNIFIED NET_CLS, true, "/sys/fs/cgroup" },
	{ SECOND, true, "/run/cilium/cgroupv2" },
};

START_TEST(the_version_of_the_machine_is_used)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	const char *text = machines[_i].mounts;
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_list_parse(text, strlen(text), &list, &err), 0);
	AUTO(cgroup) struct cgroup *g = cgroup_new_in(&list, "/a", false, &err);
	ck_assert_msg(g != NULL, "%s", err.msg);
	ck_assert_int_eq(g->ops->unified, machines[_i].unified);
	ck_assert_uint_eq(g->n, 1);
	ck_assert_str_eq(g->v[0].mount, machines[_i].mount);
}
END_TEST

START_TEST(homes_are_found)
{
	static const struct {
		const char *passwd;
		uid_t uid;
		const char *home;
	} homes[] = {
		{ "root:x:0:0:r:/root:/bin/sh\nu:x:10:1::/home/u:/s", 10, "/home/u" },
		{ "a:x:100:0:r:/a:/bin/sh\nu:x:10:1::/u", 10, "/u" },
		{ "u:x:10:1:::/s", 10, NULL },
		{ "u:x:10", 10, NULL },
		{ "\n\n::::::\n", 0, NULL },
		{ "", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
		AUTO(str) char *home = user_home_in(homes[i].passwd, homes[i].uid);

		ck_assert_msg(str_eq(home, homes[i].home), "%s", homes[i].passwd);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cgroup");
	TCase *pure = tcase_create("pure"), *fake = tcase_create("fake");

	tcase_add_test(pure, limits_become_settings);
	tcase_add_test(pure, impossible_limits_are_refused);
	tcase_add_test(pure, swappiness_is_of_v1);
	tcase_add_test(pure, device_rules_for_v1);
	tcase_add_test(pure, device_rules_for_v2);
	tcase_add_test(pure, rules_that_allow_the_same_device_add_up);
	tcase_add_test(pure, a_rule_for_all_devices_ends_the_program);
	tcase_add_test(pure, no_rules_restrict_nothing);
	tcase_add_test(pure, v1_counters_are_parsed);
	tcase_add_loop_test(pure, the_version_of_the_machine_is_used, 0, (int)ARRAY_LEN(machines));
	tcase_add_test(pure, homes_are_found);
	suite_add_tcase(suite, pure);
	tcase_add_checked_fixture(fake, setup, teardown);
	tcase_add_test(fake, a_unified_group_is_made_and_limited);
	tcase_add_test(fake, no_pages_of_a_size_that_is_missing_are_allowed);
	tcase_add_test(fake, tasks_are_reserved_at_the_top);
	tcase_add_test(fake, a_limit_below_the_usage_is_refused_on_request);
	tcase_add_test(fake, a_limit_of_the_swap_counts_the_memory);
	tcase_add_test(fake, unified_counters);
	tcase_add_test(fake, a_unified_group_is_frozen);
	tcase_add_test(fake, deep_groups_are_removed);
	tcase_set_timeout(fake, 180);
	suite_add_tcase(suite, fake);
	return suite_run(suite);
}
