// SPDX-License-Identifier: Apache-2.0
/* Control groups of version 2: one directory, and limits in other units than the
 * specification's. */

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- making --- */

/* Enables controllers for the child groups of folder: "+cpu +memory". */
static int enable(const char *folder, const char *controllers, struct err *err)
{
	AUTO(str) char *control = path_join(folder, "cgroup.subtree_control");

	return file_write(AT_FDCWD, control, controllers, err);
}

/* The controllers of folder that it has not enabled for its children: strv "+cpu", "+memory". */
static char **not_enabled(const char *folder, struct err *err)
{
	AUTO(str) char *list = path_join(folder, "cgroup.controllers");
	AUTO(str) char *control = path_join(folder, "cgroup.subtree_control");
	AUTO(str) char *have = file_read_line(AT_FDCWD, list, err);
	AUTO(str) char *enabled = have ? file_read_line(AT_FDCWD, control, err) : NULL;
	AUTO(strv) char **all = enabled ? strv_split(have, " ") : NULL;
	AUTO(strv) char **done = enabled ? strv_split(enabled, " ") : NULL;
	char **missing = NULL;

	strv_each(c, all) {
		if (!strv_has(done, *c))
			strv_pushf(&missing, "+%s", *c);
	}
	return missing;
}

/*
 * A group has a controller if its parent enables it for its children. All are enabled with one
 * write, since each write makes the kernel visit every group. If that fails, they are enabled one
 * by one, so that a controller that cannot be enabled (cpu, while there are realtime processes)
 * does not prevent the others.
 */
static int enable_all(const char *folder, struct err *err)
{
	AUTO(strv) char **missing = not_enabled(folder, err);
	AUTO(str) char *together = strv_join(missing, " ");
	struct err e = ERR_INIT;

	if (err->code)
		return -1;
	if (!missing || enable(folder, together, &e) == 0)
		return 0;
	strv_each(c, missing) {
		err_clear(&e);
		if (enable(folder, *c, &e) < 0)
			log_err(LOG_DEBUG, &e, "cgroup controller left out", LOG_S("name", *c));
	}
	return 0;
}

static int v2_make(struct cgroup *g, struct err *err)
{
	AUTO(strv) char **parts = strv_split(g->path, "/");
	AUTO(str) char *sofar = xstrdup(g->v[0].mount);

	strv_each(part, parts) {
		char *longer;

		if (enable_all(sofar, err) < 0)
			return -1;
		longer = path_join(sofar, *part);
		free(sofar);
		sofar = longer;
		if (mkdir(sofar, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make cgroup %s", sofar);
	}
	return 0;
}

/* --- settings --- */

/* Limits where 0 is "not given" and a negative number "none". */
static void add_max(struct cgroup_settings *s, const char *controller, const char *file,
		    struct oci_i64 v)
{
	if (v.set && v.v > 0)
		cgroup_settings_add(s, controller, file, "%" PRId64, v.v);
	else if (v.set && v.v < 0)
		cgroup_settings_add(s, controller, file, "max");
}

/* In version 1 the swap limit counts memory and swap together, unless the memory has no limit. */
static int swap_settings(const struct oci_resources *r, struct cgroup_settings *s, struct err *err)
{
	struct oci_i64 swap = r->memory.swap;

	if (cgroup_lifts_swap(r)) {
		cgroup_settings_add(s, "memory", "memory.swap.max", "max");
		s->v[s->n - 1].optional = true; /* not there without swap accounting */
		return 0;
	}
	if (!swap.set || swap.v == 0)
		return 0;
	if (swap.v > 0 && r->memory.limit.v == 0)
		return err_set(err, E_INVALID, "a swap limit without a memory limit");
	if (swap.v > 0 && swap.v < r->memory.limit.v)
		return err_set(err, E_INVALID, "memory and swap are limited below memory alone");
	if (swap.v < 0)
		cgroup_settings_add(s, "memory", "memory.swap.max", "max");
	else
		cgroup_settings_add(s, "memory", "memory.swap.max", "%" PRId64,
				    r->memory.limit.v < 0 ? swap.v : swap.v - r->memory.limit.v);
	return 0;
}

/* 2..262144 with 1024 as the usual value become 1..10000. */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

/* 10..1000 become 1..10000. */
static uint64_t io_weight(uint64_t weight)
{
	if (weight < 10)
		weight = 10;
	if (weight > 1000)
		weight = 1000;
	return 1 + (weight - 10) * 9999 / 990;
}

/* The kernel refuses a burst above the quota at any moment. So a lower one is written before a lower
 * quota, where a higher one fails, and once more after it. */
static void burst_setting(const struct oci_resources *r, struct cgroup_settings *s, bool first)
{
	if (!r->cpu.burst.set)
		return;
	cgroup_settings_add(s, "cpu", "cpu.max.burst", "%" PRIu64, r->cpu.burst.v);
	s->v[s->n - 1].optional = first;
}

static void cpu_settings(const struct oci_resources *r, struct cgroup_settings *s)
{
	uint64_t period = r->cpu.period.set && r->cpu.period.v ? r->cpu.period.v : 100000;

	if (r->cpu.shares.set && r->cpu.shares.v)
		cgroup_settings_add(s, "cpu", "cpu.weight", "%" PRIu64,
				    weight_of_shares(r->cpu.shares.v));
	if (r->cpu.idle.set)
		cgroup_settings_add(s, "cpu", "cpu.idle", "%" PRId64, r->cpu.idle.v);
	burst_setting(r, s, true);
	if (r->cpu.quota.set && r->cpu.quota.v > 0)
		cgroup_settings_add(s, "cpu", "cpu.max", "%" PRId64 " %" PRIu64, r->cpu.quota.v,
				    period);
	else if ((r->cpu.quota.set && r->cpu.quota.v < 0) || r->cpu.period.v)
		cgroup_settings_add(s, "cpu", "cpu.max", "max %" PRIu64, period);
	burst_setting(r, s, false);
	if (!str_empty(r->cpu.cpus))
		cgroup_settings_add(s, "cpuset", "cpuset.cpus", "%s", r->cpu.cpus);
	if (!str_empty(r->cpu.mems))
		cgroup_settings_add(s, "cpuset", "cpuset.mems", "%s", r->cpu.mems);
	add_max(s, "pids", "pids.max", r->pids_limit);
}

static void throttle(struct cgroup_settings *s, const char *key,
		     const struct oci_throttle_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		cgroup_settings_add(s, "io", "io.max", "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
				    list->v[i].major, list->v[i].minor, key, list->v[i].rate);
}

static void io_settings(const struct oci_resources *r, struct cgroup_settings *s)
{
	size_t n = s->n;

	if (r->block_io.weight.set && r->block_io.weight.v)
		cgroup_settings_add(s, "io", "io.weight", "default %" PRIu64,
				    io_weight(r->block_io.weight.v));
	for (size_t i = 0; i < r->block_io.n_weight_device; i++) {
		const struct oci_weight_device *d = &r->block_io.weight_device[i];

		if (d->weight.set)
			cgroup_settings_add(s, "io", "io.weight",
					    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
					    io_weight(d->weight.v));
	}
	/* Weights need a kernel with the cost model. */
	for (; n < s->n; n++)
		s->v[n].optional = true;
	throttle(s, "rbps", &r->block_io.read_bps);
	throttle(s, "wbps", &r->block_io.write_bps);
	throttle(s, "riops", &r->block_io.read_iops);
	throttle(s, "wiops", &r->block_io.write_iops);
}

/* File names from the specification: CONTROLLER.NAME in the container's own group, never
 * cgroup.*. */
static int unified_settings(const struct oci_resources *r, struct cgroup_settings *s,
			    struct err *err)
{
	for (size_t i = 0; i < r->n_unified; i++) {
		const char *file = r->unified[i].key;
		AUTO(strv) char **lines = NULL;

		if (strchr(file, '/') || !strchr(file, '.') || *file == '.' ||
		    str_starts(file, "cgroup."))
			return err_set(err, E_INVALID,
				       "unified resource '%s' is not the file of a controller",
				       file);
		lines = strv_split(r->unified[i].value, "\n");
		strv_each(line, lines)
			cgroup_settings_add(s, "unified", file, "%s", *line);
	}
	return 0;
}

int cgroup_v2_settings(const struct oci_resources *r, struct cgroup_settings *s, struct err *err)
{
	add_max(s, "memory", "memory.max", r->memory.limit);
	add_max(s, "memory", "memory.low", r->memory.reservation);
	if (swap_settings(r, s, err) < 0)
		return -1;
	cpu_settings(r, s);
	io_settings(r, s);
	cgroup_hugetlb_settings(r, "max", s);
	return unified_settings(r, s, err);
}

/* Version 1 refuses a limit below the usage itself. Here the kernel would kill processes. */
static int check_usage(const struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	const struct oci_i64 *limits[] = { &r->memory.limit, &r->memory.swap };
	uint64_t used;

	if (!r->memory.check_before_update)
		return 0;
	used = cgroup_number(g, "memory", "memory.current");
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		if (limits[i]->set && limits[i]->v > 0 && (uint64_t)limits[i]->v <= used)
			return err_set(err, E_STATE,
				       "a memory limit of %" PRId64 " bytes, and %" PRIu64
				       " are in use",
				       limits[i]->v, used);
	}
	return 0;
}

/* The settings. An update of the swap alone, as from "docker update --memory-swap", counts the memory
 * that the group has. */
static int settings_now(const struct cgroup *g, const struct oci_resources *r,
			struct cgroup_settings *out, struct err *err)
{
	struct oci_resources now = *r;
	uint64_t limit;

	if (r->memory.swap.v > 0 && r->memory.limit.v == 0) {
		limit = cgroup_number(g, "memory", "memory.max");
		if (limit <= INT64_MAX)
			now.memory.limit = (struct oci_i64){ true, (int64_t)limit };
	}
	return cgroup_v2_settings(&now, out, err);
}

static int v2_apply(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	AUTO(cgroup_settings) struct cgroup_settings s = { 0 };
	AUTO(mem) struct oci_device_rule *rules = NULL;
	size_t n;
	int program;

	if (check_usage(g, r, err) < 0 || settings_now(g, r, &s, err) < 0 ||
	    cgroup_write(g, &s, err) < 0)
		return -1;
	rules = cgroup_device_rules(r, &n);
	if (!n)
		return 0;
	program = cgroup_bpf_attach(g->v[0].folder, rules, n, g->device_program, err);
	if (program < 0)
		return -1;
	fd_close(&g->device_program);
	g->device_program = program;
	return 0;
}

/* --- freezing --- */

static int v2_write(struct cgroup *g, const char *file, const char *text, struct err *err)
{
	AUTO(str) char *path = path_join(g->v[0].folder, file);

	return file_write(AT_FDCWD, path, text, err);
}

static int v2_frozen(struct cgroup *g, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(0);

	if (cgroup_read(g, "cgroup", "cgroup.freeze", &b, err) < 0)
		return -1;
	return str_starts(buf_cstr(&b), "1") ? 1 : 0;
}

static int v2_freeze(struct cgroup *g, bool on, struct deadline deadline, struct err *err)
{
	struct err ignored = ERR_INIT; /* thaw again; the time-out is the error to report */

	if (v2_write(g, "cgroup.freeze", on ? "1" : "0", err) < 0)
		return -1;
	for (;;) {
		AUTO(buf) struct buf b = BUF_INIT(0);

		if (cgroup_read(g, "cgroup", "cgroup.events", &b, err) < 0)
			return -1;
		if (cgroup_value(buf_cstr(&b), "frozen") == (on ? 1 : 0))
			return 0;
		if (deadline_passed(deadline))
			break;
		(void)usleep(2000);
	}
	if (on)
		(void)!v2_write(g, "cgroup.freeze", "0", &ignored);
	return err_set(err, E_TIMEOUT, "the processes could not be %s in time",
		       on ? "frozen" : "thawed");
}

static int v2_kill(struct cgroup *g, struct err *err)
{
	return v2_write(g, "cgroup.kill", "1", err);
}

/* --- counters --- */

static void cpu_stats(struct cgroup *g, struct container_stats *out)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf b = BUF_INIT(0);
	const char *text;

	if (cgroup_read(g, "cpu", "cpu.stat", &b, &ignored) < 0)
		return;
	text = buf_cstr(&b);
	out->cpu.total = cgroup_value(text, "usage_usec") * 1000;
	out->cpu.user = cgroup_value(text, "user_usec") * 1000;
	out->cpu.kernel = cgroup_value(text, "system_usec") * 1000;
	out->cpu.periods = cgroup_value(text, "nr_periods");
	out->cpu.throttled_periods = cgroup_value(text, "nr_throttled");
	out->cpu.throttled_time = cgroup_value(text, "throttled_usec") * 1000;
}

static void memory_stats(struct cgroup *g, struct container_stats *out)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf stat = BUF_INIT(0);
	AUTO(buf) struct buf events = BUF_INIT(0);

	out->memory.usage.usage = cgroup_number(g, "memory", "memory.current");
	out->memory.usage.max_usage = cgroup_number(g, "memory", "memory.peak");
	out->memory.usage.limit = cgroup_number(g, "memory", "memory.max");
	out->memory.swap.usage = cgroup_number(g, "memory", "memory.swap.current");
	out->memory.swap.limit = cgroup_number(g, "memory", "memory.swap.max");
	out->memory.use_hierarchy = true;
	if (cgroup_read(g, "memory", "memory.events", &events, &ignored) == 0)
		out->memory.usage.failcnt = cgroup_value(buf_cstr(&events), "max");
	err_clear(&ignored);
	if (cgroup_read(g, "memory", "memory.stat", &stat, &ignored) < 0)
		return;
	cgroup_add_kills(buf_cstr(&events), &stat);
	out->memory.cache = cgroup_value(buf_cstr(&stat), "file");
	out->memory.kernel.usage = cgroup_value(buf_cstr(&stat), "kernel");
	cgroup_parse_memory_stat(buf_cstr(&stat), true, out);
}

static int v2_stats(struct cgroup *g, struct container_stats *out, struct err *err)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf io = BUF_INIT(0);

	(void)err;
	cpu_stats(g, out);
	memory_stats(g, out);
	out->pids.current = cgroup_number(g, "pids", "pids.current");
	out->pids.limit = cgroup_number(g, "pids", "pids.max");
	if (out->pids.limit == UINT64_MAX)
		out->pids.limit = 0;
	if (cgroup_read(g, "io", "io.stat", &io, &ignored) == 0)
		cgroup_parse_io_stat(buf_cstr(&io), out);
	cgroup_hugetlb_stats(g, "current", NULL, "events", out);
	return 0;
}

/* The file stays ready after a change until it is read, which rearms it. */
static int v2_oom_open(struct cgroup *g, struct container_oom *out, struct err *err)
{
	AUTO(str) char *path = path_join(g->v[0].folder, "memory.events");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_UNSUPPORTED, "there is no memory cgroup controller");
	if (fd < 0)
		return err_sys(err, "open %s", path);
	*out = (struct container_oom){ fd, POLLPRI, 0, -1 };
	if (container_oom_read(out, err) == 0)
		return 0;
	container_oom_close(out);
	return -1;
}

const struct cgroup_ops cgroup_v2_ops = {
	.unified = true,
	.make = v2_make,
	.apply = v2_apply,
	.freeze = v2_freeze,
	.frozen = v2_frozen,
	.kill = v2_kill,
	.stats = v2_stats,
	.oom_open = v2_oom_open,
};
