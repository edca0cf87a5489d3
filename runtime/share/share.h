// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The host side of the shared files: one directory, which a share daemon or the VMM serves to the
 * guest, and below it a bind mount for each file or directory that the guest is to see.
 *
 *	share_init(&share, dir, config);
 *	share_open(&share, err)
 *	share_rootfs(&share, id, rootfs, &guest, err)
 *	share_add(&share, id, source, &how, &out, err)
 *	share_remove(&share, id, err)
 *	share_release(&share);
 *
 * A shared file or directory is a copy of the host's mounts at that moment: later mounts and unmounts
 * on the host are neither visible to the guest nor blocked by it, unless how.follows, and removing
 * the share unmounts nothing on the host, whatever the propagation of the host's mounts.
 *
 * What several containers of a pod share in the same way is one mount, and so one file to the guest's
 * kernel: sockets, FIFOs, locks and mappings of it work between them. It goes with the last of
 * them. Any thread.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the guest mounts the share. */
#define SHARE_GUEST_DIR "/run/kata-containers/shared/containers"
/* Where copies are, with shared_fs = "none"; the agent removes what is there of a container. */
#define SHARE_COPIES SHARE_GUEST_DIR "/copied"

struct share_how {
	bool recursive;      /* include the file systems mounted below; else only the top one */
	bool readonly;       /* the top file system */
	bool readonly_below; /* every one */
	bool follows;        /* what the host mounts and unmounts below later, where its mounts
			      * propagate, is mounted and unmounted here */
};

struct share_volume {
	uint64_t mount, device, inode; /* of the source */
	struct share_how how;
	bool bare;    /* nothing was mounted below the source */
	char *name;   /* below share.dir */
	char **users; /* containers, one for each time */
};

struct share {
	const char *dir; /* of the host; below it is what the guest sees */
	const struct runtime_config *config;
	pthread_mutex_t lock; /* guards what follows */
	VEC(struct share_volume) volumes;
};

struct shared {
	char *guest; /* the path in the guest, heap */
	/* Only the top file system is read-only, and writable ones are mounted below it, or may be
	 * later. They are a single file system to the guest, which must not mount it read-only. */
	bool writable_below;
};

/* dir and config are borrowed. */
void share_init(struct share *s, const char *dir, const struct runtime_config *config);
/* Frees what share_add remembers; the mounts stay. */
void share_release(struct share *s);
/* shared_fs = "none": files are copied instead (copy.h). */
bool share_is_none(const struct share *s);
/* Makes the directory, which must be there and empty, a mount that shares nothing with the host's:
 * what is mounted below it later propagates to a running virtiofsd, and to nobody else. */
MUST_CHECK int share_open(const struct share *s, struct err *err);
/* Shares the mounted root file system; *guest is its path in the guest, heap. */
MUST_CHECK int share_rootfs(const struct share *s, const char *container, const char *rootfs,
			    char **guest, struct err *err);
/* Takes everything of a container out of the share again, but for what others use. */
MUST_CHECK int share_remove(struct share *s, const char *container, struct err *err);
/* Shares a file or directory of the host for a container, under a generated name. */
MUST_CHECK int share_add(struct share *s, const char *container, const char *source,
			 const struct share_how *how, struct shared *out, struct err *err);
/* Shares the paths listed in sandbox_bind_mounts as sandbox-mounts/NAME, read-only unless they end
 * with ":rw". */
MUST_CHECK int share_configured(const struct share *s, struct err *err);
