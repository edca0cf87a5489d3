// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The content store and the generations made of hard links into it. root is an fd of the prefix;
 * every name is opened beneath it without following symlinks.
 *
 *	store/sha256/ab/abcd...		a file, mode 0444
 *	store/sha256/ab/abcd....x	the same contents as a program, mode 0555: a mode belongs
 *					to the inode, so one content may need two
 *	generations/ID/...		hard links and symlinks
 *
 * Files come in through staging/STAGE/, which counts for nothing: whatever is found there after a
 * crash is thrown away. store_seal makes a staged file what the store may hold, store_adopt moves
 * it in with one rename. Nothing here is synced but by store_sync: order and undo are the plan's.
 */

#include "base/err.h"
#include "deploy/store/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* "store/sha256/ab/abcd..." of an entry, heap. */
char *store_object(const struct entry *e);

/* 1: there and of that size, 0: not there, E_STATE: there and damaged. */
MUST_CHECK int store_has(int root, const struct entry *e, struct err *err);

/* SHA-256 of a regular file below root: 1, or 0 if there is none; a link or another kind of file is
 * E_STATE. */
MUST_CHECK int store_digest(int root, const char *path, char hex[65], uint64_t *size,
			    struct err *err);

/* Verifies size and digest of a staged file, and makes it root's, read-only, and guarded by
 * fs-verity where the kernel can: *guarded is 0, or the errno that it gave. E_INVALID: it is not
 * what the entry says. The one who wrote it must be gone by now. */
MUST_CHECK int store_seal(int root, const char *staged, const struct entry *e, int *guarded,
			  struct err *err);

/* Moves a sealed file into the store; its directory is there. Never replaces an object. */
MUST_CHECK int store_adopt(int root, const char *staged, const char *object, struct err *err);

/* Builds generations/ID, which does not exist, out of what the store holds. */
MUST_CHECK int store_build(int root, const struct layout *l, struct err *err);

/* Links one file of a generation anew (repair): through staging/, so that the name always leads to
 * a whole file. */
MUST_CHECK int store_relink(int root, const struct layout *l, const struct entry *e,
			    struct err *err);

/* The target of the symlink path: 1 and heap memory, 0 if there is nothing, E_EXISTS if there is
 * something else. */
MUST_CHECK int store_link_read(int root, const char *path, char **target, struct err *err);

/* Makes path, directly below root, a symlink to target, or removes it (NULL). Atomic: a fresh link
 * is renamed over the old one, then the directory is synced. */
MUST_CHECK int store_link_set(int root, const char *path, const char *target, struct err *err);

/* The one sync of everything that was written. */
MUST_CHECK int store_sync(int root, struct err *err);
