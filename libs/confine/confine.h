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
 * listed fds under the same numbers. It can write only below the directories of `write`; a caller
 * that is root must chown these to the child's user. Files in `keep` can be used as they were
 * opened. The child sends messages over a socket while it works, and its error at the end. The
 * parent trusts neither: messages are limited in size, and the caller must verify the files that
 * the child wrote.
 *
 * The program must not have threads: the child runs ordinary code after the fork.
 *
 * A child with network can still connect to any address that the machine can reach, and read
 * world-readable files below /etc, /usr, /lib, /run (name service, certificates). A child without
 * network can open nothing by path except below `write` and `read`; if the caller is root, the
 * child's root directory is write[0].
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CONFINE_MESSAGE_MAX = 4096, CONFINE_NOBODY = 65534 };

struct confine {
	const char *name; /* of the work, for messages */
	uid_t uid;        /* of the child, if the caller is root; 0: CONFINE_NOBODY */
	gid_t gid;
	const int *write; /* directory fds that stay open; the child may write below them */
	size_t nwrite;
	const int *read; /* directory fds that stay open; the child may read below them */
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
 * exits if the parent has ended. */
void confine_say(struct confine_talk *talk, const void *data, size_t len);

typedef int confine_work(void *arg, struct confine_talk *talk, struct err *err);
/* Called in the parent for each message; returning -1 kills the child, and the error becomes that
 * of confine_run() or confine_wait(). */
typedef int confine_heard(void *arg, const void *data, size_t len, struct err *err);

/* Runs work in a child and waits for its end. Returns the result of work, with its error. E_GONE:
 * the child was killed. E_CANCELLED: a caught signal arrived (base/interrupt.h), and the child was
 * killed. */
MUST_CHECK int confine_run(const struct confine *c, confine_work *work, void *work_arg,
			   confine_heard *heard, void *heard_arg, struct err *err);

/*
 * Several children at once:
 *
 *	struct confined *all[2] = { NULL };
 *	if (confine_start(&c, work, arg, heard, arg, &all[0], err) < 0 || ...)
 *	while (all[0] || all[1])
 *		if (confine_wait(all, 2, DEADLINE_NEVER, &ended, err) < 0)
 *			...			// all[ended] failed; the slot is NULL now
 */
struct confined;
/* c->name must outlive the child. */
MUST_CHECK int confine_start(const struct confine *c, confine_work *work, void *work_arg,
			     confine_heard *heard, void *heard_arg, struct confined **out,
			     struct err *err);
/* Waits until a child has sent a message (heard was called, *ended is n), a child has ended (*ended
 * is its index, and its slot becomes NULL), or the deadline has passed (*ended is n). NULL slots
 * are skipped; at least one must be set. Returns -1 if the child *ended failed; or, with
 * E_CANCELLED and *ended n, if a caught signal arrived: the children continue until they are
 * killed. */
MUST_CHECK int confine_wait(struct confined **all, size_t n, struct deadline deadline,
			    size_t *ended, struct err *err);
/* Kills and reaps a child, and frees it; NULL is ignored. */
void confine_kill(struct confined *child);
DEFINE_AUTO(confined, struct confined *, NULL, confine_kill)

/* The restrictions available on this kernel, for the log: "user, seccomp, landlock 3". Static
 * buffer. */
const char *confine_walls(void);
