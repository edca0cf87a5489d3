// SPDX-License-Identifier: Apache-2.0
/* Annotations of single containers. */

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"
#include "shim/notes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define K "io.katacontainers.container."

static const struct {
	const char *name, *value, *memory; /* the container's limit; NULL: none */
	int64_t swap;                      /* 0: not set */
	enum err_code code;                /* 0: good */
	const char *says;
} cases[] = {
	{ K "resource.swap_in_bytes", "300", "100", 300, E_OK, NULL },
	{ K "resource.swap_in_bytes", "100", "100", 100, E_OK, NULL },
	{ K "resource.swap_in_bytes", "-1", "100", -1, E_OK, NULL },
	{ K "resource.swap_in_bytes", "-1", NULL, -1, E_OK, NULL },
	{ "io.katacontainers.config.hypervisor.path", "x", NULL, 0, E_OK, NULL },
	{ K "resource.swap_in_bytes", "99", "100", 0, E_INVALID, "less than the limit" },
	{ K "resource.swap_in_bytes", "300", NULL, 0, E_INVALID, "give the container" },
	{ K "resource.swap_in_bytes", "1G", "100", 0, E_INVALID, "number of bytes" },
	{ K "resource.swap_in_bytes", "-2", "100", 0, E_INVALID, "number of bytes" },
	{ K "resource.swappiness", "60", "100", 0, E_UNSUPPORTED, "no swappiness" },
	{ K "resource.other", "60", "100", 0, E_UNSUPPORTED, "not supported" },
};

START_TEST(they_become_settings_or_are_refused)
{
	AUTO(str)
	char *limit = cases[_i].memory ? str_fmt("{\"memory\": {\"limit\": %s}}", cases[_i].memory)
				       : xstrdup("{}");
	AUTO(str)
	char *text = str_fmt("{\"ociVersion\": \"1.0.2\", \"annotations\": {\"%s\": \"%s\"}, "
			     "\"linux\": {\"resources\": %s}}",
			     cases[_i].name, cases[_i].value, limit);
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse(text, strlen(text), "spec", &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	if (cases[_i].code) {
		ck_assert_int_lt(notes_apply(spec, &err), 0);
		ck_assert_int_eq(err.code, cases[_i].code);
		ck_assert_msg(strstr(err.msg, cases[_i].name) && strstr(err.msg, cases[_i].says),
			      "%s", err.msg);
		return;
	}
	ck_assert_msg(notes_apply(spec, &err) == 0, "%s", err.msg);
	if (cases[_i].swap)
		ck_assert_int_eq(spec->linux_.resources->memory.swap.v, cases[_i].swap);
	else
		ck_assert(!spec->linux_.resources || !spec->linux_.resources->memory.swap.set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim, annotations of containers");
	TCase *tc = tcase_create("annotations");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, they_become_settings_or_are_refused, 0, (int)ARRAY_LEN(cases));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
