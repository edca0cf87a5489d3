// SPDX-License-Identifier: Apache-2.0
/* Annotations of single containers: the table, and how each changes the specification. */

#include "shim/annotation.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define PREFIX     "io.katacontainers.container."
#define SWAP       PREFIX "resource.swap_in_bytes"
#define SWAPPINESS PREFIX "resource.swappiness"

enum { SWAPPINESS_MAX = 200 };

static bool is_not_swap(struct oci_pair *p, const void *arg)
{
	(void)arg;
	return !str_eq(p->key, OCI_SWAP_FILE);
}

/* The kubelet's limit of swap alone, which it sends for every container where its node has cgroup v2,
 * would win in the guest's control group. */
static void put_swap(struct oci_resources *r, int64_t bytes)
{
	r->memory.swap = (struct oci_i64){ true, bytes };
	oci_unified_filter(r, is_not_swap, NULL);
}

/* Sets the specification's limit of memory and swap together. */
static int set_swap(struct oci_spec *spec, const struct runtime_config *config, const char *value,
		    struct err *err)
{
	struct oci_resources *r = spec->linux_.resources;
	int64_t limit = r && r->memory.limit.set ? r->memory.limit.v : 0, bytes;

	(void)config;
	if (str_i64(value, -1, INT64_MAX, "number of bytes", &bytes, err) < 0)
		return -1;
	if (limit <= 0 && bytes >= 0) {
		err_set(err, E_INVALID, "the container's memory, which it includes, has no limit");
		return err_hint(err, "give the container a memory limit");
	}
	if (bytes >= 0 && bytes < limit) {
		err_set(err, E_INVALID,
			"%lld bytes of memory and swap are less than the limit of the memory, "
			"%lld",
			(long long)bytes, (long long)limit);
		return err_hint(err, "it is the sum of both");
	}
	if (r)
		put_swap(r, bytes);
	return 0;
}

/* True if the guest uses cgroup v1, from kernel_params as the agent reads them: the last one
 * counts. */
static bool uses_cgroup_v1(const struct runtime_config *config)
{
	static const char name[] = "agent.unified_cgroup_hierarchy=";
	AUTO(strv) char **words = strv_split(config->kernel_params, " ");
	bool v1 = false;

	strv_each(word, words) {
		const char *value = str_starts(*word, name) ? *word + strlen(name) : NULL;

		if (value)
			v1 = str_eq(value, "false") || str_eq(value, "0");
	}
	return v1;
}

/* 0 is not possible: in the agent's protocol it means "not set". */
static int set_swappiness(struct oci_spec *spec, const struct runtime_config *config,
			  const char *value, struct err *err)
{
	uint64_t number;

	if (!uses_cgroup_v1(config)) {
		err_set(err, E_UNSUPPORTED,
			"not supported: the guest's control groups (version 2) have no swappiness");
		return err_hint(err, "remove it from the pod, or give the guest version 1 with "
				     "agent.unified_cgroup_hierarchy=false in kernel_params");
	}
	if (str_u64(value, 10, 1, SWAPPINESS_MAX, "swappiness", &number, err) < 0)
		return -1;
	if (!spec->linux_.resources)
		spec->linux_.resources = NEW(struct oci_resources);
	spec->linux_.resources->memory.swappiness = (struct oci_u64){ true, number };
	return 0;
}

static const struct {
	const char *name;
	int (*apply)(struct oci_spec *spec, const struct runtime_config *config, const char *value,
		     struct err *err);
} annotations[] = {
	{ SWAP, set_swap },
	{ SWAPPINESS, set_swappiness },
};

static int apply(struct oci_spec *spec, const struct runtime_config *config, const char *name,
		 const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++) {
		if (str_eq(annotations[i].name, name))
			return annotations[i].apply(spec, config, value, err);
	}
	err_set(err, E_UNSUPPORTED, "not supported");
	return err_hint(err, "remove it from the pod");
}

int container_annotations_apply(struct oci_spec *spec, const struct runtime_config *config,
				struct err *err)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const char *name = spec->annotations[i].key, *value = spec->annotations[i].value;

		if (str_starts(name, PREFIX) &&
		    apply(spec, config, name, value ? value : "", err) < 0)
			return err_wrap(err, "annotation %.200s", name);
	}
	return 0;
}

void container_annotations_keep(const struct oci_spec *spec, struct oci_resources *update)
{
	const char *swap = oci_annotation(spec, SWAP),
		   *swappiness = oci_annotation(spec, SWAPPINESS);
	int64_t limit = update->memory.limit.set ? update->memory.limit.v : 0, bytes;
	struct err ignored = ERR_INIT; /* Create has checked both */
	uint64_t number;

	if (swap && limit > 0 && str_i64(swap, -1, INT64_MAX, SWAP, &bytes, &ignored) == 0)
		put_swap(update, bytes >= 0 && bytes < limit ? limit : bytes);
	if (swappiness && update->memory.swappiness.set &&
	    str_u64(swappiness, 10, 1, SWAPPINESS_MAX, SWAPPINESS, &number, &ignored) == 0)
		update->memory.swappiness.v = number;
}
