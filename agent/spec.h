// SPDX-License-Identifier: Apache-2.0
#pragma once

/* A container's specification, from the runtime's for the host to one for the guest. */

#include "agent/sandbox.h"

#include "base/err.h"
#include "oci/spec.h"

#include <stdbool.h>

/* Adjusts the specification for the container core: shared namespaces by path, hooks of the guest
 * image, missing defaults. shared_pid_ns: that of the sandbox's first container. */
MUST_CHECK int spec_adjust(struct sandbox *s, bool shared_pid_ns, struct oci_spec *spec,
			   struct err *err);
