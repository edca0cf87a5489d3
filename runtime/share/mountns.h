// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The mount namespace that a share is mounted in.
 *
 *	struct mountns m = MOUNTNS_NONE;
 *	mountns_make(&m, dir, err)
 *	mountns_attach(&m, tree, "a/b", err)	// tree: of mount_clone()
 *	mountns_narrow(&m, dir, err)		// once nothing else of the host is needed there
 *	mountns_detach(&m, "a/b", err)
 *	mountns_release(&m);
 *
 * A file or directory that something is mounted on in the host's own namespace can neither be
 * removed nor renamed there (EBUSY), also if only a copy of its mount is left: a pod that is given
 * a directory with mounts below, as /var/lib/kubelet, would keep the host from removing any of
 * them. In another namespace such copies hinder nobody, and none is left when the last process and
 * fd of the namespace have gone.
 *
 * Paths are relative to dir; one with a link in it is refused (E_PERMISSION), for a guest may make
 * links there. All functions block; any thread may call them.
 */

#include "base/err.h"

struct mountns {
	int ns;  /* the namespace, for setns(2); -1: none */
	int top; /* dir in it (O_PATH) */
};

#define MOUNTNS_NONE                \
	{                           \
		.ns = -1, .top = -1 \
	}

/*
 * Makes the namespace: a copy of the caller's, which receives the host's mounts and unmounts, as
 * far as they propagate, and sends none back. In it dir, a directory, is a mount with a peer group of
 * its own: mounts below it propagate to namespaces that are copied from this one, as virtiofsd's is.
 */
MUST_CHECK int mountns_make(struct mountns *m, const char *dir, struct err *err);
/* Closes the fds; the mounts last as long as a process in the namespace. Accepts MOUNTNS_NONE. */
void mountns_release(struct mountns *m);
/* Attaches a detached mount to an existing file or directory. */
MUST_CHECK int mountns_attach(const struct mountns *m, int tree, const char *path, struct err *err);
/* Detaches the mount on a path with all that is mounted below; none is no error. */
MUST_CHECK int mountns_detach(const struct mountns *m, const char *path, struct err *err);
/*
 * Makes the directory of dir the root of the namespace, in which nothing else is mounted then, and
 * nothing of the host appears except below dir: or each pod would have a copy of every mount of the
 * host, and keep file systems busy that are unmounted there. dir: as for mountns_make(). A program
 * that runs in the namespace would lose its files.
 */
MUST_CHECK int mountns_narrow(const struct mountns *m, const char *dir, struct err *err);
