// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Starting programs: explicit argv, environment and fds, a pidfd to wait on, no shell.
 *
 *	struct spawn s = { .argv = argv, .fds = fds, .nfds = 1 };
 *	struct child child = CHILD_NONE;
 *	if (spawn_start(&s, &child, err) < 0)
 *		return -1;
 *	...
 *	if (spawn_wait(&child, deadline, &status, err) < 0)	// E_TIMEOUT: it is still running
 *		spawn_kill(&child);
 *
 * In the child all signals are unblocked and at their defaults, fds above 2 that are not listed are
 * closed, and no parent-death signal is set unless parent_death_signal is given. The failure of
 * exec itself is returned by spawn_start, with the program's name. Only async-signal-safe calls run
 * between fork and exec, so it may be called from threads.
 *
 * A process that reaps orphans (PID 1, a subreaper) uses spawn_reap_orphans() from its SIGCHLD
 * handling: it reaps every zombie except those that belong to a struct child or were claimed.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* An argument list of string constants: ARGV("/bin/true", "-x"). Lives as long as its block. */
#define ARGV(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

struct spawn_fd {
	int fd;     /* ours */
	int target; /* its number in the child, 0..63 */
};

/* Whom the child becomes after it has entered the namespaces, when it has given up every
 * capability. */
struct spawn_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary; none of ours stay */
	size_t ngroups;
};

struct spawn {
	char *const *argv;   /* argv[0] is looked up in PATH unless it has a slash */
	const char *program; /* what to execute, if that is not argv[0] */
	char *const *env;    /* NULL: ours */
	const char *cwd;
	const struct spawn_fd *fds; /* 0, 1, 2 not listed are /dev/null */
	size_t nfds;
	const int *ns;                 /* namespaces to enter first, -1 terminated (setns) */
	const struct spawn_user *user; /* NULL: as we are */
	bool new_session;
	bool new_group;
	bool same_group; /* also while signals are caught (interrupt.h) */
	/* When the thread that called spawn_start() ends; 0: none. */
	int parent_death_signal;
};

struct child {
	pid_t pid;
	int pidfd; /* readable when it has ended; owned */
};

#define CHILD_NONE ((struct child){ -1, -1 })

/* How a process ended, in the shell's and containerd's form: 0..255, killed by n is 128 + n. */
int spawn_exit_code(int wait_status);

MUST_CHECK int spawn_start(const struct spawn *s, struct child *child, struct err *err);
/* Waits until the child has ended and releases it. *code as spawn_exit_code. E_TIMEOUT; E_CANCELLED
 * (interrupt.h): it is still running. */
MUST_CHECK int spawn_wait(struct child *child, struct deadline deadline, int *code,
			  struct err *err);
/* True, and *code as spawn_exit_code, if the child has ended; it is still to be waited for. */
bool spawn_has_ended(const struct child *child, int *code);
/* SIGKILL, wait, release; for a child whose result no longer matters. Accepts CHILD_NONE. */
void spawn_kill(struct child *child);
MUST_CHECK int spawn_signal(const struct child *child, int signal, struct err *err);

/*
 * Runs a program to its end: input (may be NULL) on its stdin, its stdout collected into out (may
 * be NULL: /dev/null), its stderr put into the error when the exit code is not 0. Past the deadline
 * it is killed: E_TIMEOUT; by a signal to us (interrupt.h) too: E_CANCELLED. Returns the exit code.
 */
struct buf;
MUST_CHECK int spawn_run(const struct spawn *s, const char *input, size_t input_len,
			 struct buf *out, struct deadline deadline, struct err *err);

/*
 * fork() with a child to be waited for: 0 in the child, 1 in the parent. A child that cannot be
 * watched (no pidfd: too few fds, a seccomp filter) has been killed and reaped: -1, and *child is
 * CHILD_NONE. spawn_start() does the same.
 */
MUST_CHECK int spawn_fork(struct child *child, struct err *err);
/* Children made in another way (clone) that spawn_reap_orphans must not reap. */
void spawn_claim(pid_t pid);
void spawn_disclaim(pid_t pid);
/* Adopts such a child: claims it and opens its pidfd. If that fails, it has been killed and reaped,
 * as in spawn_fork(); a process that is not our child is left alone. */
MUST_CHECK int spawn_adopt(pid_t pid, struct child *child, struct err *err);
/* Returns the number of orphans reaped. Call it again after a claimed child was waited for. */
int spawn_reap_orphans(void);
