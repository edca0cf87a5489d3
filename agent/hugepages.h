// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Huge pages that the guest's kernel sets aside: as many as the limits of the containers say, which come
 * and go. Memory of another kind cannot become huge pages when it is needed. Any thread.
 */

#include "oci/spec.h"

/* A container comes with these limits (NULL: none), or changes them. Where the guest's memory is too
 * small or too fragmented for all of them, that is logged. */
void hugepages_keep(const char *container, const struct oci_resources *limits);
/* It has gone. */
void hugepages_drop(const char *container);
