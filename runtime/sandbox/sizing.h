// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Computes the size of a sandbox's VM: what the configuration gives every VM (default_vcpus,
 * default_memory) and, on top of that, the limits of its containers.
 *
 *	struct sizing z = sizing_for(config);
 *	sizing_read_pod(&z, spec, err)		// limits of the whole pod, from annotations
 *	boot with sizing_now(&z)		// and room up to sizing_most()
 *	limits_update(&limits, resources)
 *	sizing_put(&z, id, &limits)		// a container is added or updated
 *	... sizing_now(&z)
 *	sizing_put(&z, id, NULL)		// it is removed
 *	sizing_release(&z)
 *
 * Where the whole pod has a limit, which annotations may tell, it alone counts: a kubelet gives it to
 * each container that has none of its own, so that their sum would be too much. Otherwise the sum
 * over the containers counts. An update of a container changes the pod's limits by the same amount,
 * unless these are updated by themselves (sizing_put_pod).
 *
 * Of processors, a container without a quota adds those of its cpuset that no container with a quota
 * shares.
 *
 * No I/O, no locks: resize.c has them.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "oci/spec.h"
#include "vmm/vmm.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* The limits of a container or a pod; 0: no limit. */
struct limits {
	uint64_t microcpus; /* processors' worth of time, quota / period, in millionths: sums of
			     * fractions would not be exact, and change with each update */
	cpu_set_t cpuset;   /* the host's processors that it is bound to */
	uint64_t memory;    /* bytes */
	uint64_t huge;      /* bytes of huge pages, which memory does not count */
};

/* Overwrites the limits that r has; the others stay. */
void limits_update(struct limits *l, const struct oci_resources *r);
/* How many bytes of swap r allows: memory.swap.max of its unified settings, which wins in the guest's
 * control group too, else its limit of memory and swap together, less that of the memory. most: what
 * no limit counts as. */
uint64_t limits_swap(const struct oci_resources *r, uint64_t most);
/* Returns the higher one of each limit, and the processors of both. "No limit" adds nothing to a VM, so
 * it counts as the lowest. */
struct limits limits_higher(const struct limits *a, const struct limits *b);

struct sizing {
	const struct runtime_config *config;
	struct limits pod;
	bool pod_updated; /* sizing_put_pod() was called: updates of containers leave pod alone */
	VEC(struct sized) containers;
};

struct sized {
	char *id;
	struct limits limits;
};

/* Returns one without containers. config must outlive it. */
struct sizing sizing_for(const struct runtime_config *config);
void sizing_release(struct sizing *z);

/*
 * Reads the limits of a pod from the annotations of its sandbox container: containerd's
 * io.kubernetes.cri.sandbox-{cpu-quota,cpu-period,memory}, CRI-O's pod-linux-resources.crio.io and
 * its older spelling io.kubernetes.cri-o.PodLinuxResources. E_INVALID names the annotation.
 */
MUST_CHECK int sizing_read_pod(struct sizing *z, const struct oci_spec *spec, struct err *err);

/* The limits of the container of that id, borrowed, or NULL. */
const struct limits *sizing_find(const struct sizing *z, const char *id);
/* Adds a container, or changes its limits; with l NULL removes it. */
void sizing_put(struct sizing *z, const char *id, const struct limits *l);
/* Sets the limits of the whole pod. */
void sizing_put_pod(struct sizing *z, const struct limits *l);

/* The size that the limits need, not more than sizing_most(). */
struct vmm_size sizing_now(const struct sizing *z);
/* The largest size: default_maxvcpus and default_maxmemory or, where these are 0, what the host
 * has; not less than default_memory. */
struct vmm_size sizing_most(const struct runtime_config *c);
/* For an update of a container or pod: E_LIMIT if a limit was raised and the limits are now more
 * than a VM of the size most can give; names the limit and the key. fixed: why the VM cannot grow,
 * or NULL. */
MUST_CHECK int sizing_check(const struct sizing *z, const struct limits *before,
			    const struct limits *after, const struct vmm_size *most,
			    const char *fixed, struct err *err);
