// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The content store and the generations made of hard links into it. root is an fd of the prefix;
 * every name is opened below it without following symlinks.
 *
 *	store/sha256/ab/abcd...		a file, mode 0444
 *	store/sha256/ab/abcd....x	the same contents as a program, mode 0555: a mode belongs
 *					to the inode, so one content may need two
 *	generations/ID/...		hard links and symlinks
 *
 * New files are first in staging/STAGE/, which is discarded after a crash. store_seal verifies a
 * staged file and makes it fit for the store, store_adopt moves it in with one rename. Only
 * store_sync and store_link_set sync; order and undo are the plan's task.
 */

#include "base/err.h"
#include "deploy/store/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* "store/sha256/ab/abcd..." of an entry, heap. */
char *store_object(const struct entry *e);

/* 1: there with that size; 0: not there; E_STATE: damaged. */
MUST_CHECK int store_has(int root, const struct entry *e, struct err *err);

/* SHA-256 of a regular file below root: 1, or 0 if there is none. E_STATE: a link or another kind
 * of file. */
MUST_CHECK int store_digest(int root, const char *path, char hex[65], uint64_t *size,
			    struct err *err);

/* Verifies size and digest of a staged file, makes it read-only and owned by the caller (root), and
 * enables fs-verity where the kernel can: *guarded is 0, or the kernel's errno. E_INVALID: the file
 * does not match the entry. The process that wrote the file must have ended. */
MUST_CHECK int store_seal(int root, const char *staged, const struct entry *e, int *guarded,
			  struct err *err);

/* Moves a sealed file into the store, where its directory must exist. Never replaces an object. */
MUST_CHECK int store_adopt(int root, const char *staged, const char *object, struct err *err);

/* Builds generations/ID, which must not exist, from objects of the store. */
MUST_CHECK int store_build(int root, const struct layout *l, struct err *err);

/* Replaces the link of one file of a generation (repair): through staging/, so that the name always
 * refers to a complete file. */
MUST_CHECK int store_relink(int root, const struct layout *l, const struct entry *e,
			    struct err *err);

/* The target of the symlink path: 1 and heap memory, 0 if there is nothing, E_EXISTS if there is
 * something else. */
MUST_CHECK int store_link_read(int root, const char *path, char **target, struct err *err);

/* Makes path, directly below root, a symlink to target, or removes it (NULL). Atomic: a new link is
 * renamed over the old one, then the directory is synced. */
MUST_CHECK int store_link_set(int root, const char *path, const char *target, struct err *err);

/* Syncs everything that was written (syncfs). */
MUST_CHECK int store_sync(int root, struct err *err);
