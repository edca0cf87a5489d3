// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a container is to its manager: a single one, which has a VM of its own; the sandbox
 * container of a pod, with which the pod's VM comes and goes; or another container in that VM.
 * containerd's CRI, CRI-O and dockershim say it by annotations of their own.
 */

#include "base/err.h"
#include "oci/spec.h"

enum container_kind { KIND_SINGLE, KIND_POD, KIND_IN_POD };

/* *sandbox: the id of the pod's sandbox container, borrowed from spec; for KIND_IN_POD only, else
 * NULL. E_INVALID: an annotation has an unknown value, or the sandbox is not named. */
MUST_CHECK int kind_of(const struct oci_spec *spec, enum container_kind *kind, const char **sandbox,
		       struct err *err);
bool kind_is_crio(const struct oci_spec *spec);
