// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Annotations of single containers, io.katacontainers.container.*, which become settings of the
 * container's specification. (Annotations of the VM override the configuration, see
 * config/config.h.)
 *
 *	container.resource.swap_in_bytes
 *		limit of memory and swap together, -1 for none; not below the limit of memory,
 *		which must be set. It wins over a limit of swap alone (memory.swap.max of the
 *		unified settings)
 *	container.resource.swappiness
 *		1 to 200; only with cgroup v1 in the guest (kernel_params has
 *		agent.unified_cgroup_hierarchy=false), since cgroup v2 has no swappiness
 */

#include "base/err.h"
#include "config/config.h"
#include "oci/spec.h"

/* Applies the annotations of spec to spec. E_UNSUPPORTED names one that is not in the list above or
 * not possible, E_INVALID one with a bad value; both have a hint. */
MUST_CHECK int container_annotations_apply(struct oci_spec *spec,
					   const struct runtime_config *config, struct err *err);

/* Puts the settings of these annotations, which the manager does not know, in place of the
 * specification's into an update. A limit of memory above that of memory and swap leaves no swap. */
void container_annotations_keep(const struct oci_spec *spec, struct oci_resources *update);
