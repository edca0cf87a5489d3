// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Work on untrusted data in a child that can do nothing else: another user, no capabilities, no new
 * privileges, a Landlock rule set where the kernel has one, and a system call filter.
 *
 *	static int work(void *arg, struct confine_talk *talk, struct err *err);
 *
 *	struct confine c = { .name = "unpack", .write = dirs, .nwrite = 1 };
 *	if (confine_run(&c, work, arg, on_message, arg, err) < 0)	// E_GONE: it was killed
 *		return -1;
 *
 * The child is a fork of the caller without exec: it has the caller's memory as it was, and of the
 * fds those that are listed, under the same numbers. It can write below the directories of `write`
 * only, which must belong to its user if we are root (the caller's business: chown the one
 * directory); to files that are kept open it can do what they were opened for. The way back is a
 * socket: messages while it works, and the error at the end. The parent trusts none of it: messages
 * are bounded, and what the child wrote is checked again by who uses it.
 *
 * Not for programs with threads: the child runs ordinary code after the fork.
 *
 * What a child with network can still do: talk to any address that the machine can reach, and read
 * what every user may read below /etc, /usr, /lib, /run (name service, certificates). One without
 * reads nothing by path; as root its root directory is write[0].
 */

#include "base/err.h"
#include "base/scope.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CONFINE_MESSAGE_MAX = 4096, CONFINE_NOBODY = 65534 };

struct confine {
	const char *name; /* of the work, in errors */
	uid_t uid;        /* to become, when we are root; 0: CONFINE_NOBODY */
	gid_t gid;
	const int *write; /* directories: fds that stay open and may be written below */
	size_t nwrite;
	const int *read; /* directories that stay open and may be read below */
	size_t nread;
	const int *keep; /* files, pipes: they stay open as they are */
	size_t nkeep;
	bool network; /* may it open internet sockets? */
	/* Bounds of the child: 0 for none. */
	size_t memory;       /* address space beyond what it starts with, bytes */
	unsigned long files; /* bytes of the largest file */
};

struct confine_talk;
/* In the child: sends a message of 1 to CONFINE_MESSAGE_MAX bytes; waits while the parent is busy,
 * ends the child when it is gone. */
void confine_say(struct confine_talk *talk, const void *data, size_t len);

typedef int confine_work(void *arg, struct confine_talk *talk, struct err *err);
/* In the parent, as messages come; returning -1 ends the child with that error. */
typedef int confine_heard(void *arg, const void *data, size_t len, struct err *err);

/* Returns what work returned, with its error. SIGINT and SIGTERM that come meanwhile end the child:
 * E_CANCELLED. */
MUST_CHECK int confine_run(const struct confine *c, confine_work *work, void *work_arg,
			   confine_heard *heard, void *heard_arg, struct err *err);

/*
 * Several at once:
 *
 *	struct confined *all[2] = { NULL };
 *	if (confine_start(&c, work, arg, heard, arg, &all[0], err) < 0 || ...)
 *	while (all[0] || all[1])
 *		if (confine_wait(all, 2, &ended, err) < 0)	// all[ended] failed and is NULL now
 *			...
 */
struct confined;
/* name of c must live as long as the child. */
MUST_CHECK int confine_start(const struct confine *c, confine_work *work, void *work_arg,
			     confine_heard *heard, void *heard_arg, struct confined **out,
			     struct err *err);
/* Waits until one of them said something (heard was called: *ended is n) or has ended (*ended is
 * its index, its slot NULL). NULL slots are passed over; with nothing but those it is a bug. -1:
 * that one failed; E_CANCELLED with *ended n: a signal came, all go on until they are killed. */
MUST_CHECK int confine_wait(struct confined **all, size_t n, size_t *ended, struct err *err);
/* Between two waits SIGINT and SIGTERM do what they always do; held back, they wait for the next
 * wait, or for the release. */
void confine_hold_signals(sigset_t *before);
void confine_release_signals(const sigset_t *before);
/* Ends it, whatever it does; reaps it. */
void confine_kill(struct confined *child);
DEFINE_AUTO(confined, struct confined *, NULL, confine_kill)

/* Which of the walls the kernel gave, for the log: "user, seccomp, landlock 3". Static. */
const char *confine_walls(void);
