// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The number of huge pages that the guest's kernel reserves: the sum of the containers' limits.
 * They must be reserved when a container is created, since memory in use cannot be made huge pages
 * later. Any thread.
 */

#include "oci/spec.h"

/* Reserves pages for a container with these limits (NULL: none), instead of what it had before. If
 * the guest's memory is too small or too fragmented, that is logged. */
void hugepages_keep(const char *container, const struct oci_resources *limits);
/* Gives back the pages of a container that is removed. */
void hugepages_drop(const char *container);
