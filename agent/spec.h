// SPDX-License-Identifier: Apache-2.0
#pragma once

/* A container's specification, from the runtime's for the host to one for the guest. */

#include "agent/sandbox.h"

#include "base/err.h"
#include "oci/spec.h"

/* Adjusts the specification for the container core: shared namespaces by path, hooks of the guest
 * image, missing defaults. pid_ns: an fd of the pid namespace to join, which must stay open until the
 * container is made; -1: one of its own. */
MUST_CHECK int spec_adjust(struct sandbox *s, int pid_ns, struct oci_spec *spec, struct err *err);

/* The id of the container whose pid namespace the specification asks for by the path "container:ID",
 * borrowed from spec, or NULL. */
const char *spec_pid_target(const struct oci_spec *spec);
