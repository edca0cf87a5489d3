// SPDX-License-Identifier: Apache-2.0
/* Control groups of version 1: a directory in each hierarchy. */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SWAPPINESS_MAX = 200 };

/* --- making --- */

/* A new cpuset is empty, so no process can run in it: copy the values of its parent. */
static int inherit_cpuset(const char *folder, struct err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(str) char *ours = path_join(folder, files[i]);
		AUTO(str) char *theirs = str_fmt("%s/../%s", folder, files[i]);
		AUTO(str) char *now = file_read_line(AT_FDCWD, ours, err);
		AUTO(str) char *value = NULL;

		if (!now)
			return -1;
		if (*now)
			continue;
		value = file_read_line(AT_FDCWD, theirs, err);
		if (!value || file_write(AT_FDCWD, ours, value, err) < 0)
			return -1;
	}
	return 0;
}

static int make_folder(const struct cgroup_hierarchy *h, struct err *err)
{
	bool cpuset = strv_has(h->controllers, "cpuset");
	AUTO(strv) char **parts = strv_split(h->folder + strlen(h->mount), "/");
	AUTO(str) char *sofar = xstrdup(h->mount);

	strv_each(part, parts) {
		char *longer = path_join(sofar, *part);

		free(sofar);
		sofar = longer;
		if (mkdir(sofar, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make cgroup %s", sofar);
		if (cpuset && inherit_cpuset(sofar, err) < 0)
			return -1;
	}
	return 0;
}

static int v1_make(struct cgroup *g, struct err *err)
{
	for (size_t i = 0; i < g->n; i++) {
		if (make_folder(&g->v[i], err) < 0)
			return -1;
	}
	return 0;
}

/* --- settings --- */

static void add_i64(struct cgroup_settings *s, const char *controller, const char *file,
		    struct oci_i64 v)
{
	if (v.set && v.v)
		cgroup_settings_add(s, controller, file, "%" PRId64, v.v);
}

static void add_u64(struct cgroup_settings *s, const char *controller, const char *file,
		    struct oci_u64 v)
{
	if (v.set && v.v)
		cgroup_settings_add(s, controller, file, "%" PRIu64, v.v);
}

static void add_optional(struct cgroup_settings *s, const char *controller, const char *file,
			 struct oci_i64 v)
{
	size_t n = s->n;

	add_i64(s, controller, file, v);
	if (s->n > n)
		s->v[n].optional = true;
}

static void memory_settings(const struct oci_resources *r, struct cgroup_settings *s)
{
	add_i64(s, "memory", "memory.limit_in_bytes", r->memory.limit);
	if (cgroup_lifts_swap(r))
		add_optional(s, "memory", "memory.memsw.limit_in_bytes", r->memory.limit);
	else
		add_i64(s, "memory", "memory.memsw.limit_in_bytes", r->memory.swap);
	add_i64(s, "memory", "memory.soft_limit_in_bytes", r->memory.reservation);
	/* Kernels since 5.16 do not limit kernel memory on its own. */
	add_optional(s, "memory", "memory.kmem.limit_in_bytes", r->memory.kernel);
	add_optional(s, "memory", "memory.kmem.tcp.limit_in_bytes", r->memory.kernel_tcp);
	if (r->memory.swappiness.set && r->memory.swappiness.v != UINT64_MAX)
		cgroup_settings_add(s, "memory", "memory.swappiness", "%" PRIu64,
				    r->memory.swappiness.v);
	if (r->memory.disable_oom_killer)
		cgroup_settings_add(s, "memory", "memory.oom_control", "1");
}

/* Twice, as in version 2. */
static void burst_setting(const struct oci_resources *r, struct cgroup_settings *s, bool first)
{
	if (!r->cpu.burst.set)
		return;
	cgroup_settings_add(s, "cpu", "cpu.cfs_burst_us", "%" PRIu64, r->cpu.burst.v);
	s->v[s->n - 1].optional = first;
}

static void cpu_settings(const struct oci_resources *r, struct cgroup_settings *s)
{
	add_u64(s, "cpu", "cpu.shares", r->cpu.shares);
	if (r->cpu.idle.set)
		add_i64(s, "cpu", "cpu.idle", r->cpu.idle);
	add_u64(s, "cpu", "cpu.rt_period_us", r->cpu.realtime_period);
	add_i64(s, "cpu", "cpu.rt_runtime_us", r->cpu.realtime_runtime);
	burst_setting(r, s, true);
	add_u64(s, "cpu", "cpu.cfs_period_us", r->cpu.period);
	add_i64(s, "cpu", "cpu.cfs_quota_us", r->cpu.quota);
	burst_setting(r, s, false);
	if (!str_empty(r->cpu.cpus))
		cgroup_settings_add(s, "cpuset", "cpuset.cpus", "%s", r->cpu.cpus);
	if (!str_empty(r->cpu.mems))
		cgroup_settings_add(s, "cpuset", "cpuset.mems", "%s", r->cpu.mems);
	if (r->pids_limit.set && r->pids_limit.v > 0)
		cgroup_settings_add(s, "pids", "pids.max", "%" PRId64, r->pids_limit.v);
	else if (r->pids_limit.set && r->pids_limit.v < 0)
		cgroup_settings_add(s, "pids", "pids.max", "max");
}

static void throttle(struct cgroup_settings *s, const char *file,
		     const struct oci_throttle_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		cgroup_settings_add(s, "blkio", file, "%" PRId64 ":%" PRId64 " %" PRIu64,
				    list->v[i].major, list->v[i].minor, list->v[i].rate);
}

/* Weights exist with some I/O schedulers only, and under the name of that scheduler. */
static void blkio_settings(const struct oci_resources *r, struct cgroup_settings *s)
{
	size_t n = s->n;

	add_u64(s, "blkio", "blkio.bfq.weight", r->block_io.weight);
	add_u64(s, "blkio", "blkio.leaf_weight", r->block_io.leaf_weight);
	for (size_t i = 0; i < r->block_io.n_weight_device; i++) {
		const struct oci_weight_device *d = &r->block_io.weight_device[i];

		if (d->weight.set)
			cgroup_settings_add(s, "blkio", "blkio.bfq.weight_device",
					    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
					    d->weight.v);
	}
	for (; n < s->n; n++)
		s->v[n].optional = true;
	throttle(s, "blkio.throttle.read_bps_device", &r->block_io.read_bps);
	throttle(s, "blkio.throttle.write_bps_device", &r->block_io.write_bps);
	throttle(s, "blkio.throttle.read_iops_device", &r->block_io.read_iops);
	throttle(s, "blkio.throttle.write_iops_device", &r->block_io.write_iops);
}

static int device_settings(const struct oci_resources *r, struct cgroup_settings *s,
			   struct err *err)
{
	size_t n;
	AUTO(mem) struct oci_device_rule *rules = cgroup_device_rules(r, &n);

	for (size_t i = 0; i < n; i++) {
		const struct oci_device_rule *d = &rules[i];
		const char *file = d->allow ? "devices.allow" : "devices.deny";
		char major[24] = "*", minor[24] = "*";

		if (str_empty(d->type) || str_eq(d->type, "a")) {
			cgroup_settings_add(s, "devices", file, "a");
			continue;
		}
		if (!str_eq(d->type, "b") && !str_eq(d->type, "c"))
			return err_set(err, E_INVALID, "device rule of type '%s'", d->type);
		if (d->major.set && d->major.v >= 0)
			(void)str_print(major, sizeof(major), "%" PRId64, d->major.v);
		if (d->minor.set && d->minor.v >= 0)
			(void)str_print(minor, sizeof(minor), "%" PRId64, d->minor.v);
		cgroup_settings_add(s, "devices", file, "%s %s:%s %s", d->type, major, minor,
				    str_empty(d->access) ? "rwm" : d->access);
	}
	return 0;
}

int cgroup_v1_settings(const struct oci_resources *r, struct cgroup_settings *s, struct err *err)
{
	const struct oci_u64 *swappiness = &r->memory.swappiness;

	/* -1 means "not given". Version 2 has no swappiness and ignores it, as runc does. */
	if (swappiness->set && swappiness->v > SWAPPINESS_MAX && swappiness->v != UINT64_MAX)
		return err_set(err, E_INVALID, "swappiness %" PRIu64 " is not between 0 and %d",
			       swappiness->v, SWAPPINESS_MAX);
	memory_settings(r, s);
	cpu_settings(r, s);
	blkio_settings(r, s);
	cgroup_hugetlb_settings(r, "limit_in_bytes", s);
	if (r->network.class_id.set)
		cgroup_settings_add(s, "net_cls", "net_cls.classid", "%" PRIu64,
				    r->network.class_id.v);
	for (size_t i = 0; i < r->network.n_priorities; i++)
		cgroup_settings_add(s, "net_prio", "net_prio.ifpriomap", "%s %u",
				    r->network.priorities[i].name,
				    r->network.priorities[i].priority);
	return device_settings(r, s, err);
}

static void swap_settings(struct cgroup_settings *s, size_t a, size_t b)
{
	struct cgroup_setting kept = s->v[a];

	s->v[a] = s->v[b];
	s->v[b] = kept;
}

/* memory <= memory + swap and quota/period <= the parent's must hold after every write, so the
 * order of writes depends on the current values. */
static void order(const struct cgroup *g, struct cgroup_settings *s)
{
	for (size_t i = 0; i + 1 < s->n; i++) {
		uint64_t now;

		if (!str_eq(s->v[i].file, "memory.limit_in_bytes") ||
		    !str_eq(s->v[i + 1].file, "memory.memsw.limit_in_bytes"))
			continue;
		now = cgroup_number(g, "memory", "memory.memsw.limit_in_bytes");
		if (*s->v[i].value == '-' || strtoull(s->v[i].value, NULL, 10) > now)
			swap_settings(s, i, i + 1);
		break;
	}
}

static int v1_apply(struct cgroup *g, const struct oci_resources *r, struct err *err)
{
	AUTO(cgroup_settings) struct cgroup_settings s = { 0 };

	if (r->n_unified)
		return err_set(
			err, E_UNSUPPORTED,
			"unified resource %s needs cgroup v2, this is v1; use the other limits "
			"of linux.resources",
			r->unified[0].key);
	if (cgroup_v1_settings(r, &s, err) < 0)
		return -1;
	order(g, &s);
	return cgroup_write(g, &s, err);
}

/* --- freezing --- */

static int v1_frozen(struct cgroup *g, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(0);

	if (cgroup_read(g, "freezer", "freezer.state", &b, err) < 0)
		return -1;
	return str_starts(buf_cstr(&b), "THAWED") ? 0 : 1;
}

static int freezer_set(struct cgroup *g, const char *state, struct err *err)
{
	const char *folder = cgroup_folder(g, "freezer");
	AUTO(str) char *path = folder ? path_join(folder, "freezer.state") : NULL;

	if (!folder)
		return err_set(err, E_UNSUPPORTED, "there is no freezer cgroup controller");
	return file_write(AT_FDCWD, path, state, err);
}

static int v1_freeze(struct cgroup *g, bool on, struct deadline deadline, struct err *err)
{
	const char *want = on ? "FROZEN" : "THAWED";
	struct err ignored = ERR_INIT; /* thaw again; the time-out is the error to report */

	for (;;) {
		AUTO(buf) struct buf b = BUF_INIT(0);

		/* Written on every try, so that a process forked meanwhile is frozen too. */
		if (freezer_set(g, want, err) < 0 ||
		    cgroup_read(g, "freezer", "freezer.state", &b, err) < 0)
			return -1;
		if (str_starts(buf_cstr(&b), want))
			return 0;
		if (deadline_passed(deadline))
			break;
		(void)usleep(2000);
	}
	if (on)
		(void)!freezer_set(g, "THAWED", &ignored);
	return err_set(err, E_TIMEOUT, "the processes could not be %s in time",
		       on ? "frozen" : "thawed");
}

/* --- counters --- */

static void cpu_stats(struct cgroup *g, struct container_stats *out)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf acct = BUF_INIT(0);
	AUTO(buf) struct buf cpu = BUF_INIT(0);
	AUTO(buf) struct buf per_cpu = BUF_INIT(0);
	uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);

	out->cpu.total = cgroup_number(g, "cpuacct", "cpuacct.usage");
	if (cgroup_read(g, "cpuacct", "cpuacct.stat", &acct, &ignored) == 0) {
		out->cpu.user = cgroup_value(buf_cstr(&acct), "user") * tick;
		out->cpu.kernel = cgroup_value(buf_cstr(&acct), "system") * tick;
	}
	err_clear(&ignored);
	if (cgroup_read(g, "cpuacct", "cpuacct.usage_percpu", &per_cpu, &ignored) == 0)
		cgroup_parse_per_cpu(buf_cstr(&per_cpu), out);
	err_clear(&ignored);
	if (cgroup_read(g, "cpu", "cpu.stat", &cpu, &ignored) == 0) {
		out->cpu.periods = cgroup_value(buf_cstr(&cpu), "nr_periods");
		out->cpu.throttled_periods = cgroup_value(buf_cstr(&cpu), "nr_throttled");
		out->cpu.throttled_time = cgroup_value(buf_cstr(&cpu), "throttled_time");
	}
}

static struct container_memory_counter counter(struct cgroup *g, const char *prefix)
{
	AUTO(str) char *usage = str_fmt("%susage_in_bytes", prefix);
	AUTO(str) char *max = str_fmt("%smax_usage_in_bytes", prefix);
	AUTO(str) char *fails = str_fmt("%sfailcnt", prefix);
	AUTO(str) char *limit = str_fmt("%slimit_in_bytes", prefix);

	return (struct container_memory_counter){
		cgroup_number(g, "memory", usage),
		cgroup_number(g, "memory", max),
		cgroup_number(g, "memory", fails),
		cgroup_number(g, "memory", limit),
	};
}

static void memory_stats(struct cgroup *g, struct container_stats *out)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf stat = BUF_INIT(0);
	AUTO(buf) struct buf control = BUF_INIT(0);

	out->memory.usage = counter(g, "memory.");
	out->memory.swap = counter(g, "memory.memsw.");
	out->memory.kernel = counter(g, "memory.kmem.");
	out->memory.use_hierarchy = cgroup_number(g, "memory", "memory.use_hierarchy") == 1;
	(void)!cgroup_read(g, "memory", "memory.oom_control", &control, &ignored);
	err_clear(&ignored);
	if (cgroup_read(g, "memory", "memory.stat", &stat, &ignored) < 0)
		return;
	cgroup_add_kills(buf_cstr(&control), &stat);
	out->memory.cache = cgroup_value(buf_cstr(&stat), "cache");
	cgroup_parse_memory_stat(buf_cstr(&stat), false, out);
}

static int v1_stats(struct cgroup *g, struct container_stats *out, struct err *err)
{
	struct err ignored = ERR_INIT; /* missing counters stay 0 */
	AUTO(buf) struct buf bytes = BUF_INIT(0);
	AUTO(buf) struct buf ios = BUF_INIT(0);

	(void)err;
	cpu_stats(g, out);
	memory_stats(g, out);
	out->pids.current = cgroup_number(g, "pids", "pids.current");
	out->pids.limit = cgroup_number(g, "pids", "pids.max");
	if (out->pids.limit == UINT64_MAX)
		out->pids.limit = 0;
	if (cgroup_read(g, "blkio", "blkio.throttle.io_service_bytes_recursive", &bytes,
			&ignored) == 0)
		cgroup_parse_blkio(buf_cstr(&bytes), &out->blkio.service_bytes,
				   &out->blkio.n_service_bytes);
	err_clear(&ignored);
	if (cgroup_read(g, "blkio", "blkio.throttle.io_serviced_recursive", &ios, &ignored) == 0)
		cgroup_parse_blkio(buf_cstr(&ios), &out->blkio.serviced, &out->blkio.n_serviced);
	cgroup_hugetlb_stats(g, "usage_in_bytes", "max_usage_in_bytes", "failcnt", out);
	return 0;
}

static int v1_oom_open(struct cgroup *g, struct container_oom *out, struct err *err)
{
	const char *folder = cgroup_folder(g, "memory");
	AUTO(str) char *control = folder ? path_join(folder, "memory.oom_control") : NULL;
	AUTO(str) char *registry = folder ? path_join(folder, "cgroup.event_control") : NULL;
	AUTO(str) char *line = NULL;

	if (!folder)
		return err_set(err, E_UNSUPPORTED, "there is no memory cgroup controller");
	AUTO(fd) int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return err_sys(err, "make an eventfd");
	AUTO(fd) int fd = open(control, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open %s", control);
	line = str_fmt("%d %d", event, fd);
	if (file_write(AT_FDCWD, registry, line, err) < 0)
		return -1;
	*out = (struct container_oom){ STEAL(event, -1), POLLIN, 0, STEAL(fd, -1) };
	return 0;
}

const struct cgroup_ops cgroup_v1_ops = {
	.make = v1_make,
	.apply = v1_apply,
	.freeze = v1_freeze,
	.frozen = v1_frozen,
	.stats = v1_stats,
	.oom_open = v1_oom_open,
};
