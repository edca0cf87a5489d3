// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Walking a tree that somebody else may write, and may be writing to: without recursion, with at
 * most TREE_FDS file descriptors however deep it is, never through a symbolic link and never out of
 * it. A directory that is moved away while the walk is below it is an error.
 *
 *	static int visit(void *arg, const struct tree_at *at, struct err *err);
 *
 *	struct tree_walk w = { .visit = visit, .name = path };
 *	return tree_walk(fd, &w, err);
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The descriptors that a walk has open at a time, besides the caller's. */
enum { TREE_FDS = 12 };

enum tree_when {
	TREE_FILE,  /* whatever is not a directory */
	TREE_ENTER, /* a directory, before what it has */
	TREE_LEAVE, /* a directory, after that */
};

/* One entry. It may be changed or gone meanwhile: what is done by name is checked by its errors. */
struct tree_at {
	int dir;          /* the directory that has it */
	const char *name; /* its name there */
	enum tree_when when;
	size_t depth; /* 0: what the root has */
	const struct tree *tree;
};

/* What a visit returns: to go on, not to go into the directory that it was asked about (TREE_LEAVE
 * does not come then), or that err is set and the walk ends. */
enum { TREE_GO_ON = 0, TREE_SKIP = 1, TREE_FAILED = -1 };

struct tree_walk {
	int (*visit)(void *arg, const struct tree_at *at, struct err *err);
	void *arg;
	const char *name; /* of the root, for messages */
	bool one_mount;   /* a mount point below the root is E_STATE that names it */
	/* visit removes what it is told: a directory that had to be closed is then listed from its
	 * start, else from where it was left. */
	bool removes;
};

/* Visits everything below the directory root, an fd that is left as it is; not root itself. */
MUST_CHECK int tree_walk(int root, const struct tree_walk *w, struct err *err);

/* The whole name of an entry for a message, heap; in a deep tree its middle is left out. */
char *tree_path(const struct tree_at *at);
