// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Walks a directory tree that is untrusted and may change during the walk: without recursion, with
 * at most TREE_FDS file descriptors at any depth, never through a symbolic link and never out of
 * the tree. If a directory is moved while the walk is below it, the walk fails.
 *
 *	static int visit(void *arg, const struct tree_at *at, struct err *err);
 *
 *	struct tree_walk w = { .visit = visit, .name = path };
 *	return tree_walk(fd, &w, err);
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The maximum number of descriptors that a walk has open, besides the caller's. */
enum { TREE_FDS = 12 };

enum tree_when {
	TREE_FILE,  /* anything but a directory */
	TREE_ENTER, /* a directory, before its entries */
	TREE_LEAVE, /* a directory, after its entries */
};

/* One entry. It may have been replaced or removed since it was listed: calls by name must handle
 * errors. */
struct tree_at {
	int dir;          /* the directory that contains it */
	const char *name; /* its name there */
	enum tree_when when;
	size_t depth; /* 0: an entry of the root */
	const struct tree *tree;
};

/* What visit returns: continue; do not enter this directory (no TREE_LEAVE follows); or stop, with
 * err set. */
enum { TREE_GO_ON = 0, TREE_SKIP = 1, TREE_FAILED = -1 };

struct tree_walk {
	int (*visit)(void *arg, const struct tree_at *at, struct err *err);
	void *arg;
	const char *name; /* of the root, for messages */
	bool one_mount;   /* a mount point below the root is E_STATE that names it */
	/* visit removes every entry: a directory that had to be closed is listed again from its
	 * start, otherwise from where the walk left it. */
	bool removes;
};

/* Visits everything below the directory fd root, which stays open; not root itself. */
MUST_CHECK int tree_walk(int root, const struct tree_walk *w, struct err *err);

/* The path of an entry for a message, heap; a long path is shortened in the middle. */
char *tree_path(const struct tree_at *at);
