// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Annotations of single containers, io.katacontainers.container.*: they become settings of the
 * specification. (Those of the VM are read with the configuration, config/config.h.)
 *
 *	container.resource.swap_in_bytes	memory and swap together: not less than the limit of
 *						the memory, which there must be; -1: no limit
 *	container.resource.swappiness		refused: control groups of version 2 have none
 *
 * Any other is E_UNSUPPORTED, with its name.
 */

#include "base/err.h"
#include "oci/spec.h"

MUST_CHECK int notes_apply(struct oci_spec *spec, struct err *err);
