// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Processes untrusted data in a child with minimal rights: another user, no capabilities,
 * no_new_privs, a Landlock rule set where the kernel has Landlock, and a system call filter.
 *
 *	static int work(void *arg, struct confine_talk *talk, struct err *err);
 *
 *	struct confine c = { .name = "unpack", .write = dirs, .nwrite = 1 };
 *	if (confine_run(&c, work, arg, on_message, arg, err) < 0)	// E_GONE: it was killed
 *		return -1;
 *
 * The child is a fork of the caller without exec: it has a copy of the caller's memory, and the
 * listed fds under the same numbers. It can write only below the directories of `write`; if we are
 * root, the caller must chown these to the child's user. Files in `keep` can be used as they were
 * opened. The child reports over a socket: messages while it works, and the error at the end. The
 * parent trusts none of it: messages are limited, and the caller must verify what the child wrote.
 *
 * Not for programs with threads: the child runs ordinary code after the fork.
 *
 * A child with network can still connect to any address that the machine can reach, and read
 * world-readable files below /etc, /usr, /lib, /run (name service, certificates). A child without
 * network can open nothing by path except below `write` and `read`; if we are root, its root
 * directory is write[0].
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CONFINE_MESSAGE_MAX = 4096, CONFINE_NOBODY = 65534 };

struct confine {
	const char *name; /* of the work, in errors */
	uid_t uid;        /* of the child, if we are root; 0: CONFINE_NOBODY */
	gid_t gid;
	const int *write; /* directory fds that stay open; may be written below */
	size_t nwrite;
	const int *read; /* directory fds that stay open; may be read below */
	size_t nread;
	const int *keep; /* fds of files and pipes that stay open */
	size_t nkeep;
	bool network; /* may open internet sockets */
	/* Limits of the child, 0 for none. */
	size_t memory;       /* address space beyond what it starts with, bytes */
	unsigned long files; /* bytes of the largest file */
};

struct confine_talk;
/* In the child: sends a message of 1 to CONFINE_MESSAGE_MAX bytes. Blocks while the parent is busy;
 * exits if the parent is gone. */
void confine_say(struct confine_talk *talk, const void *data, size_t len);

typedef int confine_work(void *arg, struct confine_talk *talk, struct err *err);
/* In the parent, for each message; returning -1 kills the child, with that error. */
typedef int confine_heard(void *arg, const void *data, size_t len, struct err *err);

/* Returns what work returned, with its error. E_GONE: the child was killed. E_CANCELLED: a signal
 * arrived (base/interrupt.h), for which it was killed. */
MUST_CHECK int confine_run(const struct confine *c, confine_work *work, void *work_arg,
			   confine_heard *heard, void *heard_arg, struct err *err);

/*
 * Several at once:
 *
 *	struct confined *all[2] = { NULL };
 *	if (confine_start(&c, work, arg, heard, arg, &all[0], err) < 0 || ...)
 *	while (all[0] || all[1])
 *		if (confine_wait(all, 2, DEADLINE_NEVER, &ended, err) < 0)	// all[ended] failed and is NULL now
 *			...
 */
struct confined;
/* c->name must outlive the child. */
MUST_CHECK int confine_start(const struct confine *c, confine_work *work, void *work_arg,
			     confine_heard *heard, void *heard_arg, struct confined **out,
			     struct err *err);
/* Waits until one of them sent a message (heard was called: *ended is n) or has ended (*ended is
 * its index, its slot NULL), or the deadline has passed (*ended is n). NULL slots are skipped; at
 * least one must be set. -1: that one failed; E_CANCELLED with *ended n: a signal arrived, and all
 * continue until they are killed. */
MUST_CHECK int confine_wait(struct confined **all, size_t n, struct deadline deadline,
			    size_t *ended, struct err *err);
/* Kills and reaps it. */
void confine_kill(struct confined *child);
DEFINE_AUTO(confined, struct confined *, NULL, confine_kill)

/* The restrictions available on this kernel, for the log: "user, seccomp, landlock 3". Static
 * buffer. */
const char *confine_walls(void);
