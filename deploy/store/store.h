// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The content store and the generations made of hard links into it. root is an fd of the prefix;
 * every name is opened below it without following symlinks.
 *
 *	store/sha256/ab/abcd...		a file, mode 0444
 *	store/sha256/ab/abcd....x	the same contents as a program, mode 0555; an object of its
 *					own, since the mode belongs to the inode
 *	generations/ID/...		hard links and symlinks
 *
 * New files are first in staging/STAGE/, which is discarded after a crash. store_seal() verifies a
 * staged file and sets its mode and owner; store_adopt() moves it into the store with one rename.
 * Only store_sync() and store_link_set() sync; the plan (plan.h) is responsible for order and undo.
 */

#include "base/err.h"
#include "deploy/store/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* Returns the path of an entry's object, "store/sha256/ab/abcd...", heap. */
char *store_object(const struct entry *e);

/* Reads and hashes an entry's object. Returns 1 if it is right, 0 if it does not exist. E_STATE:
 * its size or digest is wrong. */
MUST_CHECK int store_has(int root, const struct entry *e, struct err *err);

/* Stores size and SHA-256 of a regular file below root: returns 1, or 0 if it does not exist.
 * E_STATE: a link or another kind of file. */
MUST_CHECK int store_digest(int root, const char *path, char hex[65], uint64_t *size,
			    struct err *err);

/* Verifies size and digest of a staged file, makes it read-only and owned by the caller (root), gives
 * a program a label with which SELinux lets VMs execute it, and enables fs-verity where the file
 * system has it: *guarded is then 0, otherwise the kernel's errno. E_INVALID: the file does not match
 * the entry. The process that wrote the file must have ended. */
MUST_CHECK int store_seal(int root, const char *staged, const struct entry *e, int *guarded,
			  struct err *err);

/* Moves a sealed file into the store. E_EXISTS: the object exists; it is never replaced. */
MUST_CHECK int store_adopt(int root, const char *staged, const char *object, struct err *err);

/* Builds generations/ID, which must not exist, from objects of the store. */
MUST_CHECK int store_build(int root, const struct layout *l, struct err *err);

/* Makes one name in a generation refer to its object again, for repair. The new link is made in
 * staging/, which must exist, and renamed: the name always refers to a complete file. */
MUST_CHECK int store_relink(int root, const struct layout *l, const struct entry *e,
			    struct err *err);

/* Reads the target of the symlink path, heap: returns 1, or 0 if path does not exist. E_EXISTS:
 * path is not a symlink. */
MUST_CHECK int store_link_read(int root, const char *path, char **target, struct err *err);

/* Makes path, directly below root, a symlink to target, or removes it (NULL). Atomic: a new link is
 * renamed over the old one, then the directory is synced. */
MUST_CHECK int store_link_set(int root, const char *path, const char *target, struct err *err);

/* Syncs the file system of root (syncfs). */
MUST_CHECK int store_sync(int root, struct err *err);
