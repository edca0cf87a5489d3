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
 * The child is a fork of the caller without exec: it has the arguments by value, the fds in keep,
 * and can write below the directories only. The way back is a socket: messages while it works, and
 * the error at the end. The parent trusts none of it: messages are bounded, and what the child
 * wrote is checked again by who uses it.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CONFINE_MESSAGE_MAX = 4096 };

struct confine {
	const char *name; /* of the work, in errors */
	uid_t uid;        /* to become, when we are root; 0: CONFINE_NOBODY */
	gid_t gid;
	const int *write; /* directories: fds that stay open and may be written below */
	size_t nwrite;
	const int *read; /* files and directories that stay open, for reading */
	size_t nread;
	bool network; /* may it open internet sockets? */
	/* Bounds of the child: 0 for none. */
	size_t memory;       /* address space, bytes */
	unsigned long files; /* bytes of the largest file */
};

struct confine_talk;
/* In the child: sends a message; dropped when the parent is gone. */
void confine_say(struct confine_talk *talk, const void *data, size_t len);

typedef int confine_work(void *arg, struct confine_talk *talk, struct err *err);
/* In the parent, as messages come; returning -1 ends the child with that error. */
typedef int confine_heard(void *arg, const void *data, size_t len, struct err *err);

/* Returns what work returned, with its error. SIGINT and SIGTERM of the parent end the child. */
MUST_CHECK int confine_run(const struct confine *c, confine_work *work, void *work_arg,
			   confine_heard *heard, void *heard_arg, struct err *err);

/* Which of the walls the kernel gave, for the log: "user, seccomp, landlock 3". Static. */
const char *confine_walls(void);
