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
 * In the child all signals are unblocked and at their defaults (but see same_group), fds above 2
 * that are not listed are closed, and no parent-death signal is set unless parent_death_signal is
 * given. If exec fails, spawn_start fails and names the program. Only async-signal-safe calls run
 * between fork and exec, so threads may call it. If SIGCHLD is ignored, it no longer is afterwards.
 *
 * A process that reaps orphans (PID 1, a subreaper) calls spawn_reap_orphans() on SIGCHLD, which
 * reaps every zombie except those that belong to a struct child or were claimed.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* An argument list of string constants: ARGV("/bin/true", "-x"). Lives as long as its block. */
#define ARGV(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

struct spawn_fd {
	int fd;     /* in the parent */
	int target; /* its number in the child, 0..63 */
};

/* The user that the child changes to after it has entered the namespaces. The change from root to
 * another uid drops all capabilities. */
struct spawn_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* replace the parent's supplementary groups */
	size_t ngroups;
};

struct spawn {
	char *const *argv;          /* argv[0] is looked up in PATH, /usr/sbin and /sbin,
				     * unless it has a slash */
	const char *program;        /* the file to execute, if it is not argv[0] */
	char *const *env;           /* NULL: the parent's */
	const char *cwd;            /* NULL: the parent's */
	const struct spawn_fd *fds; /* 0, 1 and 2 are /dev/null if they are not listed */
	size_t nfds;
	const int *ns;                 /* namespaces to enter first, -1 terminated (setns) */
	const struct spawn_user *user; /* NULL: the parent's */
	bool new_session;
	bool new_group;
	/* Stay in our group even while signals are caught (interrupt.h), and ignore what we ignore,
	 * as under nohup. */
	bool same_group;
	/* The child gets this signal when the thread that called spawn_start() ends; 0: none. */
	int parent_death_signal;
	/* Uses the processor and the disks only as far as others leave them (nice 19, I/O class
	 * idle), where the kernel and a seccomp profile allow that. */
	bool idle;
	bool many_files;    /* keeps the limit that fd_raise_limit() has raised (fd.h) */
	bool any_processor; /* not only those that we have inherited (affinity.h) */
};

struct child {
	pid_t pid;
	int pidfd; /* readable when the process has ended; owned */
};

#define CHILD_NONE ((struct child){ -1, -1 })

/* The exit code of a wait status as shells and containerd count it: 0..255, or 128 + the number of
 * the signal that killed the process. */
int spawn_exit_code(int wait_status);

/* Starts a program. The child is released by spawn_wait(), spawn_kill() or
 * spawn_abandon(). */
MUST_CHECK int spawn_start(const struct spawn *s, struct child *child, struct err *err);
/* Waits until the child has ended, sets *code (spawn_exit_code) and releases the child. After
 * E_TIMEOUT and E_CANCELLED (interrupt.h) the child still runs and is not released. */
MUST_CHECK int spawn_wait(struct child *child, struct deadline deadline, int *code,
			  struct err *err);
/* True if the child has ended; *code is then its exit code. Does not reap or release it. */
bool spawn_has_ended(const struct child *child, int *code);
/* Kills (SIGKILL), reaps and releases a child whose result no longer matters. Accepts
 * CHILD_NONE. */
void spawn_kill(struct child *child);
/* As spawn_kill(), but waits for a second at most: the kernel cannot end a process that waits for a
 * file system whose server does not answer. It is released all the same and, in a process that reaps
 * orphans, reaped as one of these when it ends. */
void spawn_abandon(struct child *child);
MUST_CHECK int spawn_signal(const struct child *child, int signal, struct err *err);

/*
 * Runs a program to its end: writes input to its stdin (NULL: stdin is empty) and appends its
 * stdout to out (NULL: discarded; the caller checks out for overflow). The fds of s are ignored.
 * Kills the program at the deadline (E_TIMEOUT) and when a caught signal arrives (E_CANCELLED,
 * interrupt.h), as spawn_abandon() does. Returns the exit code: 0; above 0 with err set to the code
 * and the beginning of the program's stderr; -1 with err set if the program could not be run or was
 * killed here.
 */
struct buf;
MUST_CHECK int spawn_run(const struct spawn *s, const char *input, size_t input_len,
			 struct buf *out, struct deadline deadline, struct err *err);

/*
 * fork() that returns 0 in the child and 1 with *child set in the parent. If no pidfd can be opened
 * for the child (too few fds, a seccomp filter), the child is killed and reaped, *child is
 * CHILD_NONE and the result -1; so it is in spawn_start().
 */
MUST_CHECK int spawn_fork(struct child *child, struct err *err);
/* Protects a child that was made in another way (clone) from spawn_reap_orphans(), and ends
 * that. */
void spawn_claim(pid_t pid);
void spawn_disclaim(pid_t pid);
/* Claims such a child and opens its pidfd. If that fails, the child is killed and reaped as in
 * spawn_fork(); a process that is not a child of ours is left alone. */
MUST_CHECK int spawn_adopt(pid_t pid, struct child *child, struct err *err);
/* Returns the number of orphans reaped. A claimed zombie ends the search, so call it again after
 * each wait for a claimed child. */
int spawn_reap_orphans(void);
