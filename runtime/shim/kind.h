// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The kind of a container: a single one, which has a VM of its own; the sandbox container of a pod,
 * with which the pod's VM is started and stopped; or another container in that VM. containerd's
 * CRI, CRI-O and dockershim each tell by annotations of their own.
 */

#include "base/err.h"
#include "oci/spec.h"

enum container_kind { KIND_SINGLE, KIND_POD, KIND_IN_POD };

/* Sets *kind and, for KIND_IN_POD, *sandbox: the id of the pod's sandbox container, borrowed from
 * spec; else NULL. E_INVALID: an annotation has an unknown value, or does not name the sandbox. */
MUST_CHECK int kind_of(const struct oci_spec *spec, enum container_kind *kind, const char **sandbox,
		       struct err *err);
/* True if CRI-O made the specification. */
bool kind_is_crio(const struct oci_spec *spec);
