// SPDX-License-Identifier: Apache-2.0
#include "shim/kind.h"

#include "base/mem.h"
#include "base/str.h"

#define CRIO_TYPE "io.kubernetes.cri-o.ContainerType"

static const struct {
	const char *type, *pod, *in_pod; /* an annotation, and its values */
	const char *sandbox;             /* the annotation with the sandbox's id */
} managers[] = {
	{ "io.kubernetes.cri.container-type", "sandbox", "container",
	  "io.kubernetes.cri.sandbox-id" },
	{ CRIO_TYPE, "sandbox", "container", "io.kubernetes.cri-o.SandboxID" },
	{ "io.kubernetes.docker.type", "podsandbox", "container", "io.kubernetes.sandbox.id" },
};

int kind_of(const struct oci_spec *spec, enum container_kind *kind, const char **sandbox,
	    struct err *err)
{
	*kind = KIND_SINGLE;
	*sandbox = NULL;
	for (size_t i = 0; i < ARRAY_LEN(managers); i++) {
		const char *type = oci_annotation(spec, managers[i].type);

		if (!type)
			continue;
		if (str_eq(type, managers[i].pod)) {
			*kind = KIND_POD;
			return 0;
		}
		if (!str_eq(type, managers[i].in_pod))
			return err_set(err, E_INVALID, "the annotation %s is '%s', not %s or %s",
				       managers[i].type, type, managers[i].pod, managers[i].in_pod);
		*kind = KIND_IN_POD;
		*sandbox = oci_annotation(spec, managers[i].sandbox);
		return *sandbox ? str_check_id(*sandbox, managers[i].sandbox, err)
				: err_set(err, E_INVALID,
					  "the annotation %s, the pod's sandbox, is missing",
					  managers[i].sandbox);
	}
	return 0;
}

bool kind_is_crio(const struct oci_spec *spec)
{
	return oci_annotation(spec, CRIO_TYPE);
}
