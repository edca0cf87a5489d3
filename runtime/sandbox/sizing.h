// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The size of a sandbox's VM: what the configuration gives every VM (default_vcpus, default_memory)
 * and, on top of that, the limits of its containers.
 *
 *	struct sizing z = sizing_for(config);
 *	sizing_read_pod(&z, spec, err)		// what the manager says of the whole pod
 *	boot with sizing_now(&z)		// and room up to sizing_most()
 *	limits_update(&limits, resources)
 *	sizing_put(&z, id, &limits)		// a container comes, or changes
 *	... sizing_now(&z)
 *	sizing_put(&z, id, NULL)		// it goes
 *
 * Of the limits of the whole pod, which the manager may say beforehand, and the sum over the
 * containers that are there, the larger counts. An update of a container changes what was said of the
 * pod by as much, unless the manager updates that itself.
 *
 * No I/O, no locks: resize.c has both.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "oci/spec.h"
#include "vmm/vmm.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a container or a pod; 0: none. */
struct limits {
	double cpus;     /* processors' worth of time: quota / period */
	unsigned cpuset; /* number of processors that it is bound to */
	uint64_t memory; /* bytes */
	uint64_t huge;   /* bytes of huge pages, which memory does not count */
};

/* Overwrites the limits that are given; what is not given stays. */
void limits_update(struct limits *l, const struct oci_resources *r);
/* Of each the higher one; none adds nothing to a VM, so it is the lowest. */
struct limits limits_higher(const struct limits *a, const struct limits *b);

struct sizing {
	const struct runtime_config *config;
	struct limits pod;
	bool pod_updated; /* the manager itself keeps pod up to date */
	VEC(struct sized) containers;
};

struct sized {
	char *id;
	struct limits limits;
};

struct sizing sizing_for(const struct runtime_config *config);
void sizing_release(struct sizing *z);

/*
 * Reads the limits of a pod from the annotations of its sandbox container: containerd's
 * io.kubernetes.cri.sandbox-{cpu-quota,cpu-period,memory}, CRI-O's pod-linux-resources.crio.io and
 * its older spelling io.kubernetes.cri-o.PodLinuxResources. E_INVALID names the annotation.
 */
MUST_CHECK int sizing_read_pod(struct sizing *z, const struct oci_spec *spec, struct err *err);

/* The limits of a container; NULL if there is none of that id. Borrowed. */
const struct limits *sizing_find(const struct sizing *z, const char *id);
/* A container comes or changes or, with NULL, goes. */
void sizing_put(struct sizing *z, const char *id, const struct limits *l);
/* The whole pod's limits change. */
void sizing_put_pod(struct sizing *z, const struct limits *l);

/* The size that fits the limits, not more than sizing_most(). */
struct vmm_size sizing_now(const struct sizing *z);
/* The largest size: default_maxvcpus and default_maxmemory or, where they are 0, what the host has. At
 * least the defaults. */
struct vmm_size sizing_most(const struct runtime_config *c);
/* A container's or the pod's limits were raised: E_LIMIT, naming limit and key, if those that were are
 * now more than a VM of that size can give. fixed: why the VM cannot grow, or NULL. */
MUST_CHECK int sizing_check(const struct sizing *z, const struct limits *before,
			    const struct limits *after, const struct vmm_size *most,
			    const char *fixed, struct err *err);
