// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The host's side of the shared files: one directory, which virtiofsd or QEMU serves to the guest,
 * with a bind mount below it for each file or directory that the guest is to see.
 *
 *	share_init(&share, dir, config);
 *	share_open(&share, err)
 *	share_rootfs(&share, id, rootfs, &guest, err)
 *	share_narrow(&share, err)
 *	share_add(&share, id, source, &how, &out, err)
 *	share_remove(&share, id, err)
 *	share_release(&share);
 *
 * A bind mount is a copy of the host's mounts at that moment. Later mounts and unmounts on the host
 * are not visible to the guest, unless how.follows, and not blocked by it; removing a share
 * unmounts nothing on the host, whatever the propagation of the host's mounts. All of it is in a
 * mount namespace of the share (mountns.h), in which the server of the share has to start.
 *
 * If several containers of a pod share a file in the same way it is mounted once, and so is one
 * file to the guest's kernel: sockets, FIFOs, locks and mappings of it work between them. The mount
 * is removed with the last of them. Any thread.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "share/mountns.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the guest mounts the share. */
#define SHARE_GUEST_DIR "/run/kata-containers/shared/containers"
/* Where the guest has copies, with shared_fs = "none"; the agent removes a container's with it. */
#define SHARE_COPIES SHARE_GUEST_DIR "/copied"

struct share_how {
	bool recursive;      /* include the file systems mounted below; else only the top one */
	bool readonly;       /* the top file system is read-only */
	bool readonly_below; /* all of them are */
	bool follows;        /* later mounts and unmounts below the source, as far as the host's
			      * mounts propagate, happen in the share too */
};

/* A file or directory in the share. */
struct share_volume {
	uint64_t mount, device, inode; /* identify the source */
	struct share_how how;
	bool bare;    /* nothing was mounted below the source */
	char *name;   /* of the mount below share.dir */
	char **users; /* strv: ids of containers, one for each share_add() */
};

struct share {
	const char *dir;        /* on the host; the guest sees what is below it */
	struct mountns mountns; /* in which it is mounted, from share_open() on */
	const struct runtime_config *config;
	pthread_mutex_t lock; /* guards what follows */
	VEC(struct share_volume) volumes;
};

struct shared {
	char *guest; /* the path in the guest, heap */
	/* Only the top file system is read-only; writable ones are mounted below it, or may be
	 * later. To the guest all are one file system, which it must not mount read-only. */
	bool writable_below;
};

/* dir and config must outlive the share. */
void share_init(struct share *s, const char *dir, const struct runtime_config *config);
/* Frees the list of volumes and leaves the namespace: the mounts last as long as their server. */
void share_release(struct share *s);
/* True if shared_fs = "none": files are copied instead (copy.h). */
bool share_is_none(const struct share *s);
/* Makes the namespace, in which s->dir, an empty directory, is a mount of its own: later mounts
 * below it propagate to a running virtiofsd, and to nobody else. Nothing is to do with shared_fs =
 * "none". */
MUST_CHECK int share_open(struct share *s, struct err *err);
/* Once the guest runs, if virtiofsd serves it, which has a copy of the share by then: leaves nothing
 * of the host but the share in the namespace. With 9p the VMM itself needs the host's files. */
MUST_CHECK int share_narrow(const struct share *s, struct err *err);
/* Shares a container's mounted root file system; *guest is its path in the guest, heap. */
MUST_CHECK int share_rootfs(const struct share *s, const char *container, const char *rootfs,
			    char **guest, struct err *err);
/* The path in the guest of a container's root file system that is shared; heap. */
char *share_guest_rootfs(const char *container);
/* Removes the container's mounts from the share, except those that other containers use. After a
 * failure it has removed what it could. */
MUST_CHECK int share_remove(struct share *s, const char *container, struct err *err);
/* Shares a file or directory of the host for a container, under a generated name. The caller frees
 * out->guest. */
MUST_CHECK int share_add(struct share *s, const char *container, const char *source,
			 const struct share_how *how, struct shared *out, struct err *err);
/* Shares the paths of the configuration's sandbox_bind_mounts as sandbox-mounts/NAME, read-only
 * unless they end with ":rw". */
MUST_CHECK int share_configured(const struct share *s, struct err *err);
