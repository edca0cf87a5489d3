// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The mount namespace that a share is mounted in.
 *
 *	int ns = mountns_make(dir, err);
 *	mountns_attach(ns, tree, path, err)	// tree of mount_clone(), path below dir
 *	mountns_narrow(ns, dir, err)		// once nothing else of the host is needed
 *	mountns_detach(ns, path, err)
 *	close(ns);
 *
 * A file or directory that something is mounted on in the host's own namespace can neither be
 * removed nor renamed there (EBUSY), also if only a copy of its mount is left: a pod that is given
 * a directory with mounts below, as /var/lib/kubelet, would keep the host from removing any of
 * them. In another namespace such copies hinder nobody, and none is left when the last process and
 * fd of the namespace have gone.
 *
 * All functions block; any thread may call them.
 */

#include "base/err.h"

/* Makes the namespace: a copy of the caller's, which receives the host's mounts and unmounts, as
 * far as they propagate, and sends none back. In it dir, a directory, is a mount with a peer group of
 * its own: mounts below it propagate to namespaces that are copied from this one, as virtiofsd's
 * is. Returns an fd for the caller to close. */
MUST_CHECK int mountns_make(const char *dir, struct err *err);
/* Attaches a detached mount to an existing path, whose last component must not be a link. */
MUST_CHECK int mountns_attach(int ns, int tree, const char *path, struct err *err);
/* Detaches all mounts at and below a clean, absolute path. */
MUST_CHECK int mountns_detach(int ns, const char *path, struct err *err);
/* Detaches all mounts that are not needed to reach dir, and receives no more of the host's except
 * below dir: or each pod would have a copy of every mount of the host, and keep file systems busy
 * that are unmounted there. Programs that run in the namespace lose their files by this. */
MUST_CHECK int mountns_narrow(int ns, const char *dir, struct err *err);
