// SPDX-License-Identifier: Apache-2.0
/* Reads the annotations by which each container engine marks pods and their containers. */

#include "shim/kind.h"

#include "base/mem.h"
#include "base/str.h"

#define CRIO_TYPE "io.kubernetes.cri-o.ContainerType"

static const struct {
	const char *type, *pod, *in_pod; /* annotation, and its value for each kind */
	const char *sandbox;             /* annotation with the id of the sandbox container */
} engines[] = {
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
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		const char *type = oci_annotation(spec, engines[i].type);

		if (!type)
			continue;
		if (str_eq(type, engines[i].pod)) {
			*kind = KIND_POD;
			return 0;
		}
		if (!str_eq(type, engines[i].in_pod))
			return err_set(err, E_INVALID, "the annotation %s is '%s', not %s or %s",
				       engines[i].type, type, engines[i].pod, engines[i].in_pod);
		*kind = KIND_IN_POD;
		*sandbox = oci_annotation(spec, engines[i].sandbox);
		return *sandbox ? str_check_id(*sandbox, engines[i].sandbox, err)
				: err_set(err, E_INVALID,
					  "the annotation %s, the pod's sandbox, is missing",
					  engines[i].sandbox);
	}
	return 0;
}

bool kind_is_crio(const struct oci_spec *spec)
{
	return oci_annotation(spec, CRIO_TYPE);
}
