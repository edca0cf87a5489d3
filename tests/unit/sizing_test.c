// SPDX-License-Identifier: Apache-2.0
/* The size of a VM: from the limits of its containers, the annotations of a pod, and the bounds. */

#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "sandbox/sizing.h"

#include <check.h>
#include <string.h>

enum { MIB = 1 << 20 };

static char file[] = "/etc/config.toml";
static const struct runtime_config config = {
	.file = file, .vcpus = 1, .memory_mib = 256, .max_vcpus = 8, .max_memory_mib = 4096
};

static struct oci_resources *resources(const char *text)
{
	struct err err = ERR_INIT;
	struct oci_resources *r = oci_resources_parse(text, strlen(text), "resources", &err);

	ck_assert_msg(r != NULL, "%s: %s", text, err.msg);
	return r;
}

static struct limits limits_of(const char *text)
{
	AUTO(oci_resources) struct oci_resources *r = resources(text);
	struct limits l = { 0 };

	limits_update(&l, r);
	return l;
}

static void put(struct sizing *z, const char *id, const char *text)
{
	const struct limits l = limits_of(text);

	sizing_put(z, id, &l);
}

static void is(const struct sizing *z, unsigned vcpus, uint64_t memory_mib)
{
	const struct vmm_size size = sizing_now(z);

	ck_assert_uint_eq(size.vcpus, vcpus);
	ck_assert_uint_eq(size.memory_mib, memory_mib);
}

/* --- one container --- */

static const struct {
	const char *resources;
	unsigned vcpus;
	uint64_t memory_mib;
} alone[] = {
	{ "{}", 1, 256 },
	{ "{\"cpu\": {\"quota\": 200000, \"period\": 100000}}", 3, 256 },
	{ "{\"cpu\": {\"quota\": 10000, \"period\": 100000}}", 2, 256 },
	{ "{\"cpu\": {\"quota\": 150000}}", 3, 256 }, /* the usual period */
	{ "{\"cpu\": {\"quota\": -1, \"period\": 100000}}", 1, 256 },
	{ "{\"cpu\": {\"quota\": 900000000, \"period\": 100000}}", 8, 256 },
	{ "{\"cpu\": {\"shares\": 4096}}", 1, 256 },
	{ "{\"memory\": {\"limit\": 536870912}}", 1, 768 },
	{ "{\"memory\": {\"limit\": 536870913}}", 1, 769 },
	{ "{\"memory\": {\"limit\": -1}}", 1, 256 },
	{ "{\"memory\": {\"limit\": 9223372036854775807}}", 1, 4096 },
	{ "{\"memory\": {\"limit\": 104857600}, "
	  "\"hugepageLimits\": [{\"pageSize\": \"2MB\", \"limit\": 67108864}]}",
	  1, 256 + 100 + 64 },
	/* A cpuset says where, and how much only if nothing else does. */
	{ "{\"cpu\": {\"cpus\": \"0-3,8\"}}", 5, 256 },
	{ "{\"cpu\": {\"cpus\": \"0-3,8\", \"quota\": 100000}}", 2, 256 },
	{ "{\"cpu\": {\"cpus\": \"3-1\"}}", 1, 256 },
	{ "{\"cpu\": {\"cpus\": \"0-1023\"}}", 8, 256 },
};

START_TEST(the_size_of_a_vm_for_one_container)
{
	struct sizing z = sizing_for(&config);

	put(&z, "a", alone[_i].resources);
	is(&z, alone[_i].vcpus, alone[_i].memory_mib);
	sizing_release(&z);
}
END_TEST

START_TEST(updates_keep_what_they_do_not_name)
{
	struct limits l =
		limits_of("{\"cpu\": {\"quota\": 100000}, \"memory\": {\"limit\": 1000}}");
	AUTO(oci_resources)
	struct oci_resources *memory = resources("{\"memory\": {\"limit\": 2000}}");
	AUTO(oci_resources) struct oci_resources *lifted = resources("{\"cpu\": {\"quota\": -1}}");

	limits_update(&l, memory);
	ck_assert_uint_eq(l.microcpus, 1000000);
	ck_assert_uint_eq(l.memory, 2000);
	limits_update(&l, lifted);
	ck_assert_uint_eq(l.microcpus, 0);
	ck_assert_uint_eq(l.memory, 2000);
}
END_TEST

/* --- pods --- */

static const struct {
	const char *annotations;
	unsigned vcpus;
	uint64_t memory_mib;
	enum err_code code;
} pods[] = {
	{ "{}", 1, 256, E_OK },
	{ "{\"io.kubernetes.cri.sandbox-cpu-quota\": \"150000\", "
	  "\"io.kubernetes.cri.sandbox-cpu-period\": \"100000\", "
	  "\"io.kubernetes.cri.sandbox-memory\": \"104857600\"}",
	  3, 356, E_OK },
	{ "{\"io.kubernetes.cri.sandbox-cpu-quota\": \"0\", "
	  "\"io.kubernetes.cri.sandbox-cpu-period\": \"100000\", "
	  "\"io.kubernetes.cri.sandbox-memory\": \"-1\"}",
	  1, 256, E_OK },
	{ "{\"io.kubernetes.cri.sandbox-memory\": \"1G\"}", 0, 0, E_INVALID },
	{ "{\"io.kubernetes.cri-o.PodLinuxResources\": \"{\\\"cpu_period\\\":100000,"
	  "\\\"cpu_quota\\\":200000,\\\"memory_limit_in_bytes\\\":104857600}\"}",
	  3, 356, E_OK },
	{ "{\"pod-linux-resources.crio.io\": \"{\\\"memory_limit_in_bytes\\\":104857600}\", "
	  "\"io.kubernetes.cri-o.PodLinuxResources\": \"null\"}",
	  1, 356, E_OK },
	{ "{\"io.kubernetes.cri-o.PodLinuxResources\": \"null\"}", 1, 256, E_OK },
	{ "{\"pod-linux-resources.crio.io\": \"[]\"}", 0, 0, E_INVALID },
	{ "{\"pod-linux-resources.crio.io\": \"{\"}", 0, 0, E_INVALID },
};

static struct oci_spec *spec_with(const char *annotations)
{
	AUTO(str)
	char *text = str_fmt("{\"ociVersion\": \"1.0.2\", \"annotations\": %s}", annotations);
	struct err err = ERR_INIT;
	struct oci_spec *spec = oci_spec_parse(text, strlen(text), "spec", &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	return spec;
}

START_TEST(annotations_have_the_limits_of_the_pod)
{
	AUTO(oci_spec) struct oci_spec *spec = spec_with(pods[_i].annotations);
	struct sizing z = sizing_for(&config);
	struct err err = ERR_INIT;
	int result = sizing_read_pod(&z, spec, &err);

	ck_assert_int_eq(err.code, pods[_i].code);
	ck_assert_int_eq(result, pods[_i].code ? -1 : 0);
	if (!pods[_i].code)
		is(&z, pods[_i].vcpus, pods[_i].memory_mib);
	sizing_release(&z);
}
END_TEST

#define MIB_1 "{\"memory\": {\"limit\": 104857600}, \"cpu\": {\"quota\": 100000}}"
#define MIB_2 "{\"memory\": {\"limit\": 209715200}, \"cpu\": {\"quota\": 200000}}"

START_TEST(containers_come_and_go)
{
	struct sizing z = sizing_for(&config);

	put(&z, "a", MIB_1);
	put(&z, "b", MIB_2);
	is(&z, 4, 556);
	put(&z, "b", MIB_1);
	is(&z, 3, 456);
	sizing_put(&z, "a", NULL);
	sizing_put(&z, "nobody", NULL);
	is(&z, 2, 356);
	ck_assert(sizing_find(&z, "a") == NULL);
	sizing_release(&z);
}
END_TEST

/* A pod with annotations of 300 MiB and two processors. */
static struct sizing said(void)
{
	AUTO(oci_spec)
	struct oci_spec *spec = spec_with("{\"io.kubernetes.cri.sandbox-memory\": \"314572800\", "
					  "\"io.kubernetes.cri.sandbox-cpu-quota\": \"200000\"}");
	struct sizing z = sizing_for(&config);
	struct err err = ERR_INIT;

	ck_assert(sizing_read_pod(&z, spec, &err) == 0);
	return z;
}

/* A kubelet gives a container without a limit that of its pod. */
START_TEST(the_limits_of_the_pod_count_alone)
{
	struct sizing z = said();

	put(&z, "init", MIB_1);
	is(&z, 3, 556);
	sizing_put(&z, "init", NULL);
	put(&z, "a", MIB_1);
	is(&z, 3, 556);
	put(&z, "b", MIB_2);
	is(&z, 3, 556);
	put(&z, "c", MIB_2);
	is(&z, 3, 556);
	sizing_release(&z);
}
END_TEST

#define CPUS(list)     "{\"cpu\": {\"cpus\": \"" list "\", \"quota\": -1}}"
#define QUOTA(n, list) "{\"cpu\": {\"cpus\": \"" list "\", \"quota\": " n "}}"

/* As the kubelet's static CPU manager sets them: either exclusive processors without a quota, or
 * the shared pool. */
static const struct {
	const char *containers[3];
	unsigned vcpus;
} exclusive[] = {
	{ { CPUS("4-7"), QUOTA("10000", "0-3") }, 5 },
	{ { CPUS("4-5"), CPUS("6-7") }, 4 },
	{ { CPUS("4-5"), CPUS("6-7"), QUOTA("200000", "0-3") }, 6 },
	{ { CPUS("0-7"), QUOTA("100000", "0-7") }, 2 }, /* nothing is exclusive */
	{ { CPUS("0-3"), CPUS("0-3") }, 4 },
};

START_TEST(exclusive_processors_count)
{
	struct sizing z = sizing_for(&config);

	for (unsigned i = 0; i < 3 && exclusive[_i].containers[i]; i++)
		put(&z, (char[]){ (char)('a' + i), '\0' }, exclusive[_i].containers[i]);
	is(&z, exclusive[_i].vcpus, 256);
	sizing_release(&z);
}
END_TEST

START_TEST(updates_of_containers_and_of_the_pod_change_the_size)
{
	struct sizing z = said();
	struct limits pod = limits_of(MIB_2);

	put(&z, "a", MIB_1);
	put(&z, "a", MIB_2);
	is(&z, 4, 656);
	put(&z, "a", MIB_1);
	is(&z, 3, 556);
	/* Once the manager updates the pod, it does so for the containers too. */
	sizing_put_pod(&z, &pod);
	is(&z, 3, 456);
	put(&z, "a", MIB_2);
	is(&z, 3, 456);
	sizing_release(&z);
}
END_TEST

/* --- bounds --- */

START_TEST(limits_beyond_the_maximum_are_refused)
{
	const struct limits none = { 0 }, cpus = { .microcpus = 9000000 },
			    fits = { .microcpus = 8000000, .memory = MIB },
			    memory = { .memory = 3900ULL * MIB };
	const struct vmm_size most = sizing_most(&config);
	struct sizing z = sizing_for(&config);
	struct err err = ERR_INIT;

	sizing_put(&z, "a", &fits);
	ck_assert(sizing_check(&z, &none, &fits, &most, NULL, &err) == 0);
	sizing_put(&z, "a", &cpus);
	ck_assert(sizing_check(&z, &fits, &cpus, &most, NULL, &err) < 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "cpu"));
	ck_assert_ptr_nonnull(strstr(err.msg, "default_maxvcpus"));
	err_clear(&err);
	sizing_put(&z, "a", &memory);
	ck_assert(sizing_check(&z, &fits, &memory, &most, NULL, &err) < 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "default_maxmemory"));
	err_clear(&err);
	ck_assert(sizing_check(&z, &fits, &memory, &most, "it is a rock", &err) < 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "rock"));
	err_clear(&err);
	/* A limit that is too high already may be lowered or kept. */
	ck_assert(sizing_check(&z, &memory, &memory, &most, NULL, &err) == 0);
	sizing_release(&z);
}
END_TEST

static const struct {
	const char *quotas[3];
	uint64_t period;
} parts[] = {
	{ { "80000", "160000", "60000" }, 100000 },
	{ { "20000", "20000", "50000" }, 30000 },
	{ { "10000", "40000", "40000" }, 30000 },
};

START_TEST(fractions_that_come_to_the_maximum_fit)
{
	const struct vmm_size most = { 3, 4096 };
	struct sizing z = sizing_for(&config);
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < 3; i++) {
		AUTO(str)
		char *text = str_fmt("{\"cpu\": {\"quota\": %s, \"period\": %llu}}",
				     parts[_i].quotas[i], (unsigned long long)parts[_i].period);
		const struct limits l = limits_of(text), none = { 0 };

		sizing_put(&z, (char[]){ (char)('a' + i), '\0' }, &l);
		ck_assert_msg(sizing_check(&z, &none, &l, &most, NULL, &err) == 0, "%s", err.msg);
	}
	is(&z, 4, 256);
	sizing_release(&z);
}
END_TEST

START_TEST(many_updates_add_nothing)
{
	struct sizing z = said();
	const struct limits less = limits_of("{\"cpu\": {\"quota\": 10000}}"),
			    more = limits_of("{\"cpu\": {\"quota\": 30000}}");
	struct vmm_size before;

	sizing_put(&z, "a", &less);
	before = sizing_now(&z);
	for (int i = 0; i < 100000; i++) {
		sizing_put(&z, "a", &more);
		sizing_put(&z, "a", &less);
	}
	is(&z, before.vcpus, before.memory_mib);
	sizing_release(&z);
}
END_TEST

/* A quota of practically none is a limit all the same, and one of very much counts as the most. */
START_TEST(extreme_limits_are_limits)
{
	ck_assert_uint_eq(limits_of("{\"cpu\": {\"quota\": 1, \"period\": 100000000}}").microcpus,
			  1);
	ck_assert_uint_eq(limits_of("{\"cpu\": {\"quota\": 9223372036854775807}}").microcpus,
			  UINT64_MAX);
}
END_TEST

START_TEST(without_a_configured_maximum_the_host_is_it)
{
	struct runtime_config c = config;
	struct vmm_size most;

	c.max_vcpus = c.max_memory_mib = 0;
	most = sizing_most(&c);
	ck_assert_uint_ge(most.vcpus, 1);
	ck_assert_uint_le(most.vcpus, 240);
	ck_assert_uint_gt(most.memory_mib, 256);
	c.memory_mib = 1 << 24;
	most = sizing_most(&c);
	ck_assert_uint_eq(most.memory_mib, 1 << 24);
}
END_TEST

/* --- swap --- */

static const struct {
	const char *resources;
	uint64_t bytes;
} swaps[] = {
	{ "{}", 0 },
	{ "{\"memory\":{\"limit\":100}}", 0 },
	{ "{\"memory\":{\"limit\":100,\"swap\":100}}", 0 },
	{ "{\"memory\":{\"limit\":100,\"swap\":130}}", 30 },
	{ "{\"memory\":{\"limit\":100,\"swap\":-1}}", MIB },
	{ "{\"memory\":{\"swap\":130}}", 0 },
	/* As a kubelet sends it. */
	{ "{\"memory\":{\"limit\":100,\"swap\":100},\"unified\":{\"memory.swap.max\":\"70\"}}",
	  70 },
	{ "{\"memory\":{\"limit\":100,\"swap\":130},\"unified\":{\"memory.swap.max\":\"0\"}}", 0 },
	{ "{\"unified\":{\"memory.high\":\"9\",\"memory.swap.max\":\"max\"}}", MIB },
	{ "{\"memory\":{\"limit\":100,\"swap\":130},\"unified\":{\"memory.swap.max\":\"x\"}}", 30 },
	{ "{\"memory\":{\"limit\":100,\"swap\":130},\"unified\":{\"memory.high\":\"9\"}}", 30 },
};

START_TEST(swap_is_that_of_the_guests_control_group)
{
	AUTO(oci_resources) struct oci_resources *r = resources(swaps[_i].resources);

	ck_assert_uint_eq(limits_swap(r, MIB), swaps[_i].bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("size of a VM");
	TCase *tc = tcase_create("sizing");

	tcase_add_loop_test(tc, the_size_of_a_vm_for_one_container, 0, (int)ARRAY_LEN(alone));
	tcase_add_test(tc, updates_keep_what_they_do_not_name);
	tcase_add_loop_test(tc, annotations_have_the_limits_of_the_pod, 0, (int)ARRAY_LEN(pods));
	tcase_add_test(tc, containers_come_and_go);
	tcase_add_test(tc, the_limits_of_the_pod_count_alone);
	tcase_add_loop_test(tc, exclusive_processors_count, 0, (int)ARRAY_LEN(exclusive));
	tcase_add_test(tc, updates_of_containers_and_of_the_pod_change_the_size);
	tcase_add_test(tc, limits_beyond_the_maximum_are_refused);
	tcase_add_loop_test(tc, fractions_that_come_to_the_maximum_fit, 0, (int)ARRAY_LEN(parts));
	tcase_add_test(tc, many_updates_add_nothing);
	tcase_add_loop_test(tc, swap_is_that_of_the_guests_control_group, 0, (int)ARRAY_LEN(swaps));
	tcase_add_test(tc, extreme_limits_are_limits);
	tcase_add_test(tc, without_a_configured_maximum_the_host_is_it);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
