// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The host side of the shared files: one directory, which a share daemon or the VMM serves to the
 * guest, and below it a bind mount for each file or directory that the guest is to see.
 *
 *	struct share share = { .dir = dir, .config = config };
 *	share_open(&share, err)
 *	share_rootfs(&share, id, rootfs, &guest, err)
 *	share_add(&share, id, source, &how, &out, err)
 *	share_remove(&share, id, err)
 *
 * A shared file or directory is a private copy of the host's mounts at that moment: later mounts
 * and unmounts on the host are neither visible to the guest nor blocked by it, and removing the
 * share unmounts nothing on the host, whatever the propagation of the host's mounts.
 */

#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>

/* Where the guest mounts the share. */
#define SHARE_GUEST_DIR "/run/kata-containers/shared/containers"

struct share {
	const char *dir; /* of the host; below it is what the guest sees */
	const struct runtime_config *config;
};

struct share_how {
	bool recursive;      /* include the file systems mounted below; else only the top one */
	bool readonly;       /* the top file system */
	bool readonly_below; /* every one */
};

struct shared {
	char *guest; /* the path in the guest, heap */
	/* Only the top file system is read-only, and writable ones are mounted below it. They are a
	 * single file system to the guest, which must not mount it read-only. */
	bool writable_below;
};

/* Makes the directory, which must be there and empty, a mount that shares nothing with the host's:
 * what is mounted below it later propagates to a running virtiofsd, and to nobody else. */
MUST_CHECK int share_open(const struct share *s, struct err *err);
/* Shares the mounted root file system; *guest is its path in the guest, heap. */
MUST_CHECK int share_rootfs(const struct share *s, const char *container, const char *rootfs,
			    char **guest, struct err *err);
/* Takes everything of a container out of the share again. */
MUST_CHECK int share_remove(const struct share *s, const char *container, struct err *err);
/* Shares a file or directory of the host for a container, under a generated name. */
MUST_CHECK int share_add(struct share *s, const char *container, const char *source,
			 const struct share_how *how, struct shared *out, struct err *err);
/* Shares the paths listed in sandbox_bind_mounts as sandbox-mounts/NAME, read-only unless they end
 * with ":rw". */
MUST_CHECK int share_configured(const struct share *s, struct err *err);
