// SPDX-License-Identifier: Apache-2.0
/* The kind of a container, from the annotations of containerd, CRI-O and dockershim. */

#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"
#include "shim/kind.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *annotations; /* JSON */
	enum container_kind kind;
	const char *sandbox; /* NULL: none */
	enum err_code code;  /* 0: good */
} cases[] = {
	{ "{}", KIND_SINGLE, NULL, E_OK },
	{ "{\"io.kubernetes.cri.sandbox-id\": \"a\"}", KIND_SINGLE, NULL, E_OK },
	{ "{\"io.kubernetes.cri.container-type\": \"sandbox\"}", KIND_POD, NULL, E_OK },
	{ "{\"io.kubernetes.cri.container-type\": \"container\", "
	  "\"io.kubernetes.cri.sandbox-id\": \"pod-1\"}",
	  KIND_IN_POD, "pod-1", E_OK },
	{ "{\"io.kubernetes.cri-o.ContainerType\": \"sandbox\", "
	  "\"io.kubernetes.cri-o.SandboxID\": \"x\"}",
	  KIND_POD, NULL, E_OK },
	{ "{\"io.kubernetes.cri-o.ContainerType\": \"container\", "
	  "\"io.kubernetes.cri-o.SandboxID\": \"x\"}",
	  KIND_IN_POD, "x", E_OK },
	{ "{\"io.kubernetes.docker.type\": \"podsandbox\"}", KIND_POD, NULL, E_OK },
	{ "{\"io.kubernetes.docker.type\": \"container\", \"io.kubernetes.sandbox.id\": \"d\"}",
	  KIND_IN_POD, "d", E_OK },
	/* An unknown value, a missing sandbox id, and an id that is a path. */
	{ "{\"io.kubernetes.cri.container-type\": \"pod\"}", KIND_SINGLE, NULL, E_INVALID },
	{ "{\"io.kubernetes.docker.type\": \"sandbox\"}", KIND_SINGLE, NULL, E_INVALID },
	{ "{\"io.kubernetes.cri.container-type\": \"container\"}", KIND_SINGLE, NULL, E_INVALID },
	{ "{\"io.kubernetes.cri.container-type\": \"container\", "
	  "\"io.kubernetes.cri.sandbox-id\": \"../x\"}",
	  KIND_SINGLE, NULL, E_INVALID },
};

START_TEST(annotations_determine_the_kind)
{
	AUTO(str)
	char *text = str_fmt("{\"ociVersion\": \"1.0.2\", \"annotations\": %s}",
			     cases[_i].annotations);
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse(text, strlen(text), "spec", &err);
	enum container_kind kind = KIND_SINGLE;
	const char *sandbox = NULL;

	ck_assert_msg(spec != NULL, "%s", err.msg);
	if (cases[_i].code) {
		ck_assert_int_lt(kind_of(spec, &kind, &sandbox, &err), 0);
		ck_assert_int_eq(err.code, cases[_i].code);
		return;
	}
	ck_assert_msg(kind_of(spec, &kind, &sandbox, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(kind, cases[_i].kind);
	ck_assert_pstr_eq(sandbox, cases[_i].sandbox);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim, kinds");
	TCase *tc = tcase_create("kinds");

	tcase_add_loop_test(tc, annotations_determine_the_kind, 0, (int)ARRAY_LEN(cases));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
