// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Opens files to be locked with flock(2), in directories where every user may make files, such as
 * /run/lock. The kernel ends the lock with the process that holds it.
 *
 *	AUTO(fd) int fd = lock_open("/run/lock/kata-deploy.lock", LOCK_OWN, err);
 *	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
 */

#include "base/err.h"

enum lock_kind {
	/* A file of ours, which is made if there is none; or a directory. Run by root, one that
	 * another user has made is removed: that user could hold the lock, and
	 * fs.protected_regular keeps root from opening the file. */
	LOCK_OWN,
	LOCK_SHARED /* a file or directory of whomever, such as the root directory of a system */
};

/* Returns an fd. A symlink is not followed. E_STATE: there is a directory of another user, which is
 * not empty. */
MUST_CHECK int lock_open(const char *path, enum lock_kind kind, struct err *err);
