// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Annotations of single containers, io.katacontainers.container.*: they become settings of the
 * specification. (Those of the VM are read with the configuration, config/config.h.)
 *
 *	container.resource.swap_in_bytes	memory and swap together: not less than the limit of
 *						the memory, which there must be; -1: no limit
 *	container.resource.swappiness		1 to 200, where the guest's control groups are of version 1
 *						(agent.unified_cgroup_hierarchy=false in kernel_params);
 *						those of version 2 have none: refused
 *
 * Any other is E_UNSUPPORTED, with its name.
 */

#include "base/err.h"
#include "config/config.h"
#include "oci/spec.h"

MUST_CHECK int notes_apply(struct oci_spec *spec, const struct runtime_config *config,
			   struct err *err);
