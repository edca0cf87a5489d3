// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The number of huge pages that the guest's kernel reserves (nr_hugepages); nothing else in the
 * agent writes it. They must be reserved when a container is created, since memory in use cannot be
 * made huge pages later. Any thread.
 *
 * Those who need pages are containers, by their limits, and hugetlbfs volumes, by their sizes. The
 * two are not added: a container's limit also covers what it writes to volumes. Of each page size
 * as many bytes are reserved as the largest of
 *
 *	the sum of the containers' limits
 *	the largest volume
 *	what is reserved already, up to the sum of the volumes
 *	what the kernel reserved when it booted
 *
 * The third is for volumes that stay when their container ends: they are not reduced while others
 * use their pages. Volumes alone do not add up, since several of one pod share its limit.
 */

#include "base/err.h"
#include "oci/spec.h"

/* Reserves pages for a container with these limits (NULL: none), instead of what it had before. If
 * the guest's memory is too small or too fragmented, that is logged. */
void hugepages_keep(const char *container, const struct oci_resources *limits);

/* Reserves pages for a volume of that many bytes, before it is mounted there. E_LIMIT: the guest
 * has less memory, or it is fragmented. E_NOT_FOUND: its kernel has no pages of that size. After an
 * error the volume has none. */
MUST_CHECK int hugepages_keep_volume(const char *mount_point, uint64_t page_size, uint64_t size,
				     struct err *err);

/* Gives back the pages of a container that is removed, or of a volume (its mount point) after it
 * was unmounted. Others, which have none, may be given too. */
void hugepages_drop(const char *owner);
