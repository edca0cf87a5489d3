// SPDX-License-Identifier: Apache-2.0
/* Computes the size of a VM from the limits of its containers. */

#include "sandbox/sizing.h"

#include "base/mem.h"
#include "base/str.h"
#include "host/vcpu.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20, MICRO = 1000000, VCPUS_MAX = 240, PERIOD = 100000 };

/* --- limits --- */

/* Rounded down, so that what fits exactly fits, but a limit stays one. */
static uint64_t microcpus_of(int64_t quota, uint64_t period)
{
	const uint64_t per = period ? period : PERIOD;
	uint64_t all;

	if (quota <= 0)
		return 0;
	if (__builtin_mul_overflow((uint64_t)quota, (uint64_t)MICRO, &all))
		return UINT64_MAX;
	return all / per ? all / per : 1;
}

/* As the guest's control group applies an update: a period without a quota removes the quota. */
static void update_cpus(struct limits *l, const struct oci_resources *r)
{
	bool quota = r->cpu.quota.set && r->cpu.quota.v != 0;
	bool period = r->cpu.period.set && r->cpu.period.v != 0;
	struct err bad = ERR_INIT;

	if (quota || period)
		l->microcpus = microcpus_of(quota ? r->cpu.quota.v : 0,
					    period ? r->cpu.period.v : 0);
	/* The host's control group refuses a list that cannot be parsed. */
	if (!str_empty(r->cpu.cpus) && cpu_list_parse(r->cpu.cpus, &l->cpuset, &bad) < 0)
		CPU_ZERO(&l->cpuset);
}

/* a + b, at most UINT64_MAX. */
static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* a + (after - before), at least 0. */
static uint64_t shift(uint64_t a, uint64_t before, uint64_t after)
{
	if (after >= before)
		return add(a, after - before);
	return a > before - after ? a - (before - after) : 0;
}

void limits_update(struct limits *l, const struct oci_resources *r)
{
	update_cpus(l, r);
	if (r->memory.limit.set && r->memory.limit.v)
		l->memory = r->memory.limit.v > 0 ? (uint64_t)r->memory.limit.v : 0;
	if (!r->n_hugepage_limits)
		return;
	l->huge = 0;
	for (size_t i = 0; i < r->n_hugepage_limits; i++)
		l->huge = add(l->huge, r->hugepage_limits[i].limit);
}

/* A kubelet (LimitedSwap, cgroup v2) names the file of the control group; its limit of memory and
 * swap together is that of the memory then. False if that file is not among the settings, or with a
 * value that the guest refuses. */
static bool read_swap_file(const struct oci_resources *r, uint64_t most, uint64_t *bytes)
{
	struct err ignored = ERR_INIT;
	bool found = false;

	for (size_t i = 0; i < r->n_unified; i++) {
		const struct oci_pair *p = &r->unified[i];

		if (!str_eq(p->key, OCI_SWAP_FILE))
			continue;
		if (str_eq(p->value, "max"))
			*bytes = most;
		found = str_eq(p->value, "max") ||
			str_u64(p->value, 10, 0, UINT64_MAX, p->key, bytes, &ignored) == 0;
	}
	return found;
}

uint64_t limits_swap(const struct oci_resources *r, uint64_t most)
{
	const int64_t both = r->memory.swap.set ? r->memory.swap.v : 0;
	uint64_t bytes = 0;

	if (read_swap_file(r, most, &bytes))
		return bytes;
	if (both < 0)
		return most;
	return r->memory.limit.set && both > r->memory.limit.v
		       ? (uint64_t)(both - r->memory.limit.v)
		       : 0;
}

struct limits limits_higher(const struct limits *a, const struct limits *b)
{
	struct limits higher = {
		.microcpus = a->microcpus > b->microcpus ? a->microcpus : b->microcpus,
		.memory = a->memory > b->memory ? a->memory : b->memory,
		.huge = a->huge > b->huge ? a->huge : b->huge,
	};

	CPU_OR(&higher.cpuset, &a->cpuset, &b->cpuset);
	return higher;
}

/* --- annotations with the limits of a pod --- */

/* Reads a number of containerd's annotations; a negative or empty one means no limit. */
static int read_number(const struct oci_spec *spec, const char *key, uint64_t *to, struct err *err)
{
	const char *text = oci_annotation(spec, key);

	return str_empty(text) || *text == '-' ? 0 : str_u64(text, 10, 0, INT64_MAX, key, to, err);
}

static int read_containerd(const struct oci_spec *spec, struct limits *l, struct err *err)
{
	uint64_t quota = 0, period = 0;

	if (read_number(spec, "io.kubernetes.cri.sandbox-cpu-quota", &quota, err) < 0 ||
	    read_number(spec, "io.kubernetes.cri.sandbox-cpu-period", &period, err) < 0 ||
	    read_number(spec, "io.kubernetes.cri.sandbox-memory", &l->memory, err) < 0)
		return -1;
	l->microcpus = microcpus_of((int64_t)quota, period);
	return 0;
}

/* A number in CRI-O's JSON; 0, no limit, if it is absent or negative. */
static int64_t number(const struct json *j, const char *member)
{
	const struct json *v = json_get(j, member);

	return v && json_kind(v) == JSON_IS_INT && json_int(v) > 0 ? json_int(v) : 0;
}

/* Reads CRI-O's annotation: the CRI's LinuxContainerResources in JSON, or null. */
static int read_crio(const struct oci_spec *spec, const char *key, struct limits *l,
		     struct err *err)
{
	const char *text = oci_annotation(spec, key);
	AUTO(json) struct json *j = NULL;

	if (str_empty(text) || str_eq(text, "null"))
		return 0;
	j = json_parse(text, strlen(text), key, err);
	if (!j)
		return -1;
	if (json_kind(j) != JSON_IS_OBJECT)
		return err_set(err, E_INVALID, "the annotation %s is not a JSON object", key);
	l->microcpus = microcpus_of(number(j, "cpu_quota"), (uint64_t)number(j, "cpu_period"));
	l->memory = (uint64_t)number(j, "memory_limit_in_bytes");
	return 0;
}

int sizing_read_pod(struct sizing *z, const struct oci_spec *spec, struct err *err)
{
	struct limits l = { 0 };

	if (read_containerd(spec, &l, err) < 0 ||
	    read_crio(spec, "io.kubernetes.cri-o.PodLinuxResources", &l, err) < 0 ||
	    read_crio(spec, "pod-linux-resources.crio.io", &l, err) < 0)
		return -1;
	z->pod = l;
	return 0;
}

/* --- containers --- */

struct sizing sizing_for(const struct runtime_config *config)
{
	return (struct sizing){ .config = config };
}

void sizing_release(struct sizing *z)
{
	for (size_t i = 0; i < z->containers.n; i++)
		free(z->containers.v[i].id);
	vec_release(&z->containers);
}

static struct sized *find(const struct sizing *z, const char *id)
{
	for (size_t i = 0; i < z->containers.n; i++) {
		if (str_eq(z->containers.v[i].id, id))
			return &z->containers.v[i];
	}
	return NULL;
}

const struct limits *sizing_find(const struct sizing *z, const char *id)
{
	const struct sized *c = find(z, id);

	return c ? &c->limits : NULL;
}

static void forget(struct sizing *z, struct sized *c)
{
	free(c->id);
	vec_remove(&z->containers, (size_t)(c - z->containers.v));
}

/* Applies the update of a container to the pod's limits, unless these are updated by themselves
 * (sizing_put_pod). What has no limit keeps none. */
static void change_pod(struct sizing *z, const struct limits *before, const struct limits *after)
{
	struct limits *pod = &z->pod;

	if (z->pod_updated)
		return;
	if (pod->microcpus)
		pod->microcpus = shift(pod->microcpus, before->microcpus, after->microcpus);
	if (pod->memory)
		pod->memory = shift(pod->memory, before->memory, after->memory);
}

void sizing_put(struct sizing *z, const char *id, const struct limits *l)
{
	struct sized *c = find(z, id);

	if (c && l) {
		change_pod(z, &c->limits, l);
		c->limits = *l;
	} else if (c) {
		forget(z, c);
	} else if (l) {
		vec_push(&z->containers, ((struct sized){ xstrdup(id), *l }));
	}
}

void sizing_put_pod(struct sizing *z, const struct limits *l)
{
	z->pod = *l;
	z->pod_updated = true;
}

/* --- sizes --- */

/*
 * The processors that containers without a quota have to themselves, as with the kubelet's static
 * CPU manager, which sets no quota then. Processors on which containers with a quota run as well
 * are the node's shared pool: they tell where a container runs, not how much.
 */
static void find_exclusive(const struct sizing *z, cpu_set_t *out)
{
	cpu_set_t shared;

	CPU_ZERO(out);
	CPU_ZERO(&shared);
	for (size_t i = 0; i < z->containers.n; i++) {
		const struct limits *l = &z->containers.v[i].limits;
		cpu_set_t *all = l->microcpus ? &shared : out;

		CPU_OR(all, all, &l->cpuset);
	}
	CPU_AND(&shared, &shared, out);
	CPU_XOR(out, out, &shared);
}

/* The limits of the pod and, where it has none, the sums over its containers. */
static struct limits total(const struct sizing *z)
{
	struct limits all = { 0 };

	for (size_t i = 0; i < z->containers.n; i++) {
		const struct limits *l = &z->containers.v[i].limits;

		all.microcpus = add(all.microcpus, l->microcpus);
		all.memory = add(all.memory, l->memory);
		all.huge = add(all.huge, l->huge);
	}
	if (z->pod.microcpus)
		all.microcpus = z->pod.microcpus;
	else
		find_exclusive(z, &all.cpuset);
	if (z->pod.memory)
		all.memory = z->pod.memory;
	if (z->pod.huge)
		all.huge = z->pod.huge;
	return all;
}

static long host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > VCPUS_MAX ? VCPUS_MAX : n < 1 ? 1 : n;
}

static uint64_t default_microcpus(const struct runtime_config *c)
{
	return (uint64_t)((c->vcpus < 0 ? (double)host_cpus() : c->vcpus) * MICRO + 0.5);
}

/* Rounds up to whole processors. */
static unsigned whole(uint64_t microcpus)
{
	uint64_t n = microcpus / MICRO + (microcpus % MICRO != 0);

	return n > VCPUS_MAX ? VCPUS_MAX : (unsigned)n;
}

/* The number of processors for the limits: enough for the quotas beside the exclusive ones. */
static unsigned vcpus_for(const struct limits *l, uint64_t microcpus)
{
	unsigned least = whole(add(microcpus, l->microcpus));
	unsigned own = (unsigned)CPU_COUNT(&l->cpuset) + whole(l->microcpus);

	return least > own ? least : own ? own : 1;
}

static uint64_t mib(uint64_t bytes)
{
	return bytes / MIB + (bytes % MIB != 0);
}

struct vmm_size sizing_most(const struct runtime_config *c)
{
	struct vmm_size most = { c->max_vcpus ? (unsigned)c->max_vcpus : (unsigned)host_cpus(),
				 (uint64_t)c->max_memory_mib };

	if (!most.memory_mib)
		most.memory_mib = (uint64_t)sysconf(_SC_PHYS_PAGES) /
				  (MIB / (uint64_t)sysconf(_SC_PAGESIZE));
	if (most.memory_mib < (uint64_t)c->memory_mib)
		most.memory_mib = (uint64_t)c->memory_mib;
	return most;
}

/* The size that the limits need, without bounds. */
static struct vmm_size wanted(const struct sizing *z)
{
	const struct limits l = total(z);

	return (struct vmm_size){
		vcpus_for(&l, default_microcpus(z->config)),
		add((uint64_t)z->config->memory_mib, mib(add(l.memory, l.huge))),
	};
}

struct vmm_size sizing_now(const struct sizing *z)
{
	const struct vmm_size most = sizing_most(z->config);
	struct vmm_size size = wanted(z);

	size.vcpus = size.vcpus > most.vcpus ? most.vcpus : size.vcpus;
	size.memory_mib = size.memory_mib > most.memory_mib ? most.memory_mib : size.memory_mib;
	return size;
}

/* The hint for E_LIMIT. */
static int hint_bound(const struct sizing *z, const char *fixed, const char *key, struct err *err)
{
	if (fixed)
		return err_hint(err, "the VM cannot grow: %s", fixed);
	return err_hint(err,
			"%s in [hypervisor.qemu] of %s bounds it or, where that is 0, the host",
			key, z->config->file);
}

int sizing_check(const struct sizing *z, const struct limits *before, const struct limits *after,
		 const struct vmm_size *most, const char *fixed, struct err *err)
{
	const struct vmm_size size = wanted(z);
	const struct limits l = total(z);

	if (after->microcpus > before->microcpus && l.microcpus > (uint64_t)most->vcpus * MICRO) {
		err_set(err, E_LIMIT,
			"the cpu quotas come to %.2f processors, and the VM can have no more than "
			"%u",
			(double)l.microcpus / MICRO, most->vcpus);
		return hint_bound(z, fixed, "default_maxvcpus", err);
	}
	if (add(after->memory, after->huge) > add(before->memory, before->huge) &&
	    size.memory_mib > most->memory_mib) {
		err_set(err, E_LIMIT,
			"with the memory limits the VM needs %llu MiB, and it can have no more "
			"than "
			"%llu",
			(unsigned long long)size.memory_mib, (unsigned long long)most->memory_mib);
		return hint_bound(z, fixed,
				  z->config->virtio_mem ? "default_maxmemory"
							: "default_maxmemory (or memory_slots)",
				  err);
	}
	return 0;
}
