// SPDX-License-Identifier: Apache-2.0
/* Annotations of single containers. */

#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"
#include "shim/annotation.h"

#include <check.h>
#include <string.h>

#define K  "io.katacontainers.container."
#define V1 "agent.unified_cgroup_hierarchy=false"
#define V2 "agent.unified_cgroup_hierarchy=true"

static const struct {
	const char *name, *value, *memory; /* the container's limit; NULL: none */
	int64_t swap;                      /* 0: not set */
	enum err_code code;                /* 0: good */
	const char *says;
	const char *params; /* the kernel's; NULL: none */
	uint64_t swappiness;
} cases[] = {
	{ K "resource.swap_in_bytes", "300", "100", 300, E_OK, NULL, NULL, 0 },
	{ K "resource.swap_in_bytes", "100", "100", 100, E_OK, NULL, NULL, 0 },
	{ K "resource.swap_in_bytes", "-1", "100", -1, E_OK, NULL, NULL, 0 },
	{ K "resource.swap_in_bytes", "-1", NULL, -1, E_OK, NULL, NULL, 0 },
	{ "io.katacontainers.config.hypervisor.path", "x", NULL, 0, E_OK, NULL, NULL, 0 },
	{ K "resource.swap_in_bytes", "99", "100", 0, E_INVALID, "less than the limit", NULL, 0 },
	{ K "resource.swap_in_bytes", "300", NULL, 0, E_INVALID, "give the container", NULL, 0 },
	{ K "resource.swap_in_bytes", "1G", "100", 0, E_INVALID, "number of bytes", NULL, 0 },
	{ K "resource.swap_in_bytes", "-2", "100", 0, E_INVALID, "number of bytes", NULL, 0 },
	{ K "resource.swappiness", "60", "100", 0, E_UNSUPPORTED, "no swappiness", NULL, 0 },
	{ K "resource.swappiness", "60", "100", 0, E_UNSUPPORTED, "no swappiness", V1 " " V2, 0 },
	{ K "resource.swappiness", "60", "100", 0, E_OK, NULL, "quiet " V1 " one", 60 },
	{ K "resource.swappiness", "200", NULL, 0, E_OK, NULL, V1, 200 },
	{ K "resource.swappiness", "0", "100", 0, E_INVALID, "swappiness", V1, 0 },
	{ K "resource.swappiness", "201", "100", 0, E_INVALID, "swappiness", V1, 0 },
	{ K "resource.swappiness", "x", "100", 0, E_INVALID, "swappiness", V1, 0 },
	{ K "resource.other", "60", "100", 0, E_UNSUPPORTED, "not supported", NULL, 0 },
};

START_TEST(annotations_become_settings_or_are_refused)
{
	AUTO(str)
	char *limit = cases[_i].memory ? str_fmt("{\"memory\": {\"limit\": %s}}", cases[_i].memory)
				       : xstrdup("{}");
	AUTO(str)
	char *text = str_fmt("{\"ociVersion\": \"1.0.2\", \"annotations\": {\"%s\": \"%s\"}, "
			     "\"linux\": {\"resources\": %s}}",
			     cases[_i].name, cases[_i].value, limit);
	char *params = (char *)(cases[_i].params ? cases[_i].params : "");
	const struct runtime_config config = { .kernel_params = params };
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse(text, strlen(text), "spec", &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	if (cases[_i].code) {
		ck_assert_int_lt(container_annotations_apply(spec, &config, &err), 0);
		ck_assert_int_eq(err.code, cases[_i].code);
		ck_assert_msg(strstr(err.msg, cases[_i].name) && strstr(err.msg, cases[_i].says),
			      "%s", err.msg);
		return;
	}
	ck_assert_msg(container_annotations_apply(spec, &config, &err) == 0, "%s", err.msg);
	if (cases[_i].swappiness)
		ck_assert_uint_eq(spec->linux_.resources->memory.swappiness.v,
				  cases[_i].swappiness);
	if (cases[_i].swap)
		ck_assert_int_eq(spec->linux_.resources->memory.swap.v, cases[_i].swap);
	else
		ck_assert(!spec->linux_.resources || !spec->linux_.resources->memory.swap.set);
}
END_TEST

static const char *swap_file(const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_unified; i++) {
		if (str_eq(r->unified[i].key, OCI_SWAP_FILE))
			return r->unified[i].value;
	}
	return NULL;
}

#define UNIFIED                                                       \
	"{\"memory\": {\"limit\": 100, \"swap\": 100}, \"unified\": " \
	"{\"memory.high\": \"90\", \"memory.swap.max\": \"0\", \"pids.max\": \"7\"}}"

/* A kubelet of a node with cgroup v2 sends a limit of the swap alone, which is 0 by default. */
START_TEST(the_annotation_wins_over_the_kubelets_limit_of_swap)
{
	static const char text[] = "{\"ociVersion\": \"1.0.2\", \"annotations\": {\"" K
				   "resource.swap_in_bytes\": \"300\"}, "
				   "\"linux\": {\"resources\": " UNIFIED "}}";
	const struct runtime_config config = { .kernel_params = (char *)"" };
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse(text, strlen(text), "spec", &err);
	AUTO(oci_resources)
	struct oci_resources *update = oci_resources_parse(UNIFIED, strlen(UNIFIED), "r", &err);

	ck_assert_msg(spec && update, "%s", err.msg);
	ck_assert_msg(container_annotations_apply(spec, &config, &err) == 0, "%s", err.msg);
	container_annotations_keep(spec, update);
	for (int i = 0; i < 2; i++) {
		const struct oci_resources *r = i ? update : spec->linux_.resources;

		ck_assert_int_eq(r->memory.swap.v, 300);
		ck_assert_ptr_null(swap_file(r));
		ck_assert_uint_eq(r->n_unified, 2);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim, annotations of containers");
	TCase *tc = tcase_create("annotations");

	tcase_add_loop_test(tc, annotations_become_settings_or_are_refused, 0,
			    (int)ARRAY_LEN(cases));
	tcase_add_test(tc, the_annotation_wins_over_the_kubelets_limit_of_swap);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
