// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Work in a network namespace. It is done on a thread of its own, since a namespace is a thread's:
 * the others of this process stay where they are.
 */

#include "base/err.h"
#include "base/spawn.h"

#include <stdbool.h>
#include <sys/types.h>

/* Which namespace a path meant: paths of namespaces that have gone are used again. */
struct netns_identity {
	dev_t device;
	ino_t inode;
};

/* Opens it. E_NOT_FOUND names the path; E_INVALID: the file is not a network namespace. */
MUST_CHECK int netns_open(const char *path, struct netns_identity *identity, struct err *err);
/* Opens it if the path still means the same one; -1 without an error if not. */
int netns_reopen(const char *path, const struct netns_identity *identity);

/* Makes a new one with a loopback interface, which lasts as long as the mount at path; the file must
 * not be there yet. */
MUST_CHECK int netns_make(const char *path, struct err *err);

/* A process that lives there and does nothing, for programs that ask for a namespace by a pid; it
 * ends with us at the latest. */
struct netns_resident {
	struct child child;
	int lifeline;
};

#define NETNS_RESIDENT_NONE    \
	{                      \
		{ -1, -1 }, -1 \
	}

/* title: its name and command line (title_set). */
MUST_CHECK int netns_inhabit(const char *path, const char *title, struct netns_resident *out,
			     struct err *err);
void netns_leave(struct netns_resident *r);

/* Runs fn(arg, err) in the namespace, -1: in a new one, and returns what it returned. */
typedef int (*netns_fn)(void *arg, struct err *err);
MUST_CHECK int netns_call(int netns, netns_fn fn, void *arg, struct err *err);
