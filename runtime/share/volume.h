// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Volumes that the guest makes itself, instead of sharing the host's: memory that the containers of
 * a pod have in common, and directories that begin empty. Sharing them would use the host's memory
 * beside the VM's, and a mapping of a shared file is not coherent with the page cache of another
 * kernel.
 *
 *	source of the bind mount on the host		what the guest has
 *	the pod's tmpfs for /dev/shm			a tmpfs of the same size for /dev/shm
 *	an emptyDir of medium Memory (a tmpfs)		a tmpfs of the same size
 *	an emptyDir of huge pages (hugetlbfs)		hugetlbfs of the same page size
 *	an emptyDir of default medium (a directory)	shared, unless empty_dirs
 *
 * A subPath of such a volume (the kubelet mounts it at PODS/UID/volume-subpaths/VOLUME/CONTAINER/N)
 * is the directory or file in the guest's volume, which is bind-mounted there; no link that a
 * container has made on the way is followed.
 *
 * All have the mode and the group (fsGroup) of the host's directory. They last as long as the pod.
 *
 * An emptyDir is recognized as by upstream: by the parent directory in the kubelet's path,
 * PODS/UID/volumes/kubernetes.io~empty-dir/NAME. The pod's tmpfs has the source "shm", as
 * containerd, CRI-O, Docker and Podman mount it. Names of drivers, options and paths in the guest
 * are upstream's.
 */

#include "base/err.h"
#include "oci/spec.h"
#include "share/storage.h"

#include <stdbool.h>

struct volume_rules {
	/* Where the guest has the root file system of the pod's sandbox container, below which
	 * emptyDirs of default medium are made; NULL: all emptyDirs are shared. */
	const char *pod_root;
	bool empty_dirs;                    /* emptyDirs of default medium are the guest's too */
	const struct oci_resources *limits; /* of the container, for huge pages; or NULL */
};

/* If the source of a bind mount is one of these volumes: appends the storages to mount, and sets
 * *path to the volume's path in the guest, heap. Else *path is NULL. */
MUST_CHECK int volume_in_guest(const struct oci_mount *m, const struct volume_rules *rules,
			       struct storages *storages, char **path, struct err *err);

/* True for the path of an emptyDir, which only the containers of one pod use. */
bool volume_is_empty_dir(const char *source);
