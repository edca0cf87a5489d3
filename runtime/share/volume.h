// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Volumes that live in the guest: memory that the containers of a pod have in common, and
 * directories that begin empty. Sharing those of the host would cost its memory instead of the
 * VM's, and would not be memory to the guest: a mapping of it is not coherent with another VM's
 * page cache.
 *
 *	source of the bind mount on the host		what the guest has
 *	the pod's tmpfs, for /dev/shm			a tmpfs of the same size, /dev/shm of all
 *	an emptyDir of medium Memory (a tmpfs)		a tmpfs of the same size
 *	an emptyDir of huge pages (hugetlbfs)		hugetlbfs of the same page size
 *	an emptyDir of default medium (a directory)	shared, unless empty_dirs
 *
 * A subPath of one that the guest has (the kubelet mounts it at PODS/UID/volume-subpaths/VOLUME/CONTAINER/N) is
 * that directory or file of the guest's: it is mounted by itself, and no link that a container
 * leaves there is followed.
 *
 * All keep the mode and the group of the host's directory (fsGroup). They last as long as the pod.
 *
 * An emptyDir is known as upstream knows it: by the parent directory in the kubelet's path,
 * PODS/UID/volumes/kubernetes.io~empty-dir/NAME. The pod's tmpfs has the source "shm", as containerd,
 * CRI-O, Docker and Podman mount it. Names of drivers, options and places in the guest are
 * upstream's.
 */

#include "base/err.h"
#include "oci/spec.h"
#include "share/storage.h"

#include <stdbool.h>

struct volume_rules {
	const char *pod; /* the id of its sandbox container; NULL: emptyDirs are the host's */
	bool empty_dirs; /* those of default medium are the guest's too */
	const struct oci_resources *limits; /* of the container, for huge pages; or NULL */
};

/* For a bind mount that lives in the guest: appends what is to be mounted, and *path is its place
 * there, heap. For another, *path is NULL. */
MUST_CHECK int volume_in_guest(const struct oci_mount *m, const struct volume_rules *rules,
			       struct storages *storages, char **path, struct err *err);

/* True if the path is that of an emptyDir, which only the containers of one pod use. */
bool volume_is_empty_dir(const char *source);
