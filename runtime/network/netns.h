// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Network namespaces: opening one, making one, running a function in one.
 *
 *	struct netns_identity identity;
 *	int netns = netns_open("/run/netns/x", &identity, err);
 *	netns_call(netns, fn, arg, err)		// fn(arg, err) runs in the namespace
 *	close(netns)
 *
 * The kernel attaches a network namespace to each thread. netns_call() therefore starts a thread
 * for the call, which enters the namespace; the other threads of this process stay in theirs. All
 * functions block; any thread may call them.
 */

#include "base/err.h"
#include "base/spawn.h"
#include "base/thread.h"

#include <stdbool.h>
#include <sys/types.h>

/* Identifies a namespace: its path may name another one later. Source: stat(2) of the open file. */
struct netns_identity {
	dev_t device;
	ino_t inode;
};

/* Opens the namespace at path: returns an fd for the caller to close, and sets *identity.
 * E_NOT_FOUND names the path; E_INVALID: the file is not a network namespace. */
MUST_CHECK int netns_open(const char *path, struct netns_identity *identity, struct err *err);
/* Opens the namespace at path if it is still the one with that identity: returns an fd for the
 * caller to close, else -1. */
int netns_reopen(const char *path, const struct netns_identity *identity);

/* Makes a new namespace, whose loopback interface is up, and bind-mounts it at path. path must not
 * exist; the namespace lasts as long as the mount. */
MUST_CHECK int netns_make(const char *path, struct err *err);

/* A process in a namespace that does nothing: programs that take a pid find the namespace by it. It
 * ends with this process at the latest, even if this one is killed. */
struct netns_holder {
	struct child child;
	int lifeline; /* writing end of a pipe: the child ends when it is closed */
};

#define NETNS_HOLDER_NONE      \
	{                      \
		{ -1, -1 }, -1 \
	}

/* Starts one in the namespace at path. title becomes its name and command line (title_set). On
 * failure *out is NETNS_HOLDER_NONE. */
MUST_CHECK int netns_holder_start(const char *path, const char *title, struct netns_holder *out,
				  struct err *err);
/* Ends it and waits for its end. Nothing to do for NETNS_HOLDER_NONE. */
void netns_holder_stop(struct netns_holder *p);

/* Runs fn(arg, err) in the namespace, or in a new one if netns is -1, and returns its result. */
MUST_CHECK int netns_call(int netns, thread_fn fn, void *arg, struct err *err);
