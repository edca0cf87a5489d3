// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Signals that ask a program to end: SIGINT, SIGTERM, SIGHUP. A program that must not end between
 * two steps catches them. A caught signal only cancels waiting: every function in libs/ that waits
 * for a process or for a time returns E_CANCELLED, and long work calls interrupt_check() between
 * its parts.
 *
 *	interrupt_catch("kata-deploy", "the change is being undone or finished");
 *	...
 *	if (interrupt_check(err) < 0)
 *		return -1;
 *	...
 *	interrupt_shield(true);		// an undo is not cancelled by the signal that caused it
 *	rc = undo();
 *	interrupt_shield(false);
 *
 * Then SIGPIPE and SIGXFSZ are ignored: a write whose reader is gone, or that is above the limit of
 * file sizes, fails, and does not end the program either.
 *
 * While signals are caught, spawn.h starts programs in process groups of their own, so that the
 * terminal's SIGINT does not end them too.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Catches the signals; those that are ignored stay ignored. A second signal prints "NAME: still
 * working: TEXT" on standard error. Both strings are kept by reference. May be called again. */
void interrupt_catch(const char *name, const char *text);
bool interrupt_is_caught(void);

/* The number of the first signal that arrived, shielded or not; 0: none. */
int interrupt_signal(void);
/* The name of that signal: "SIGTERM". Static. */
const char *interrupt_name(void);

/* E_CANCELLED if a signal has arrived and no shield is up. */
MUST_CHECK int interrupt_check(struct err *err);
/* An fd for poll(2), readable once a signal has arrived; -1 (which poll ignores) if signals are not
 * caught or a shield is up. Borrowed. */
int interrupt_fd(void);
/* Sleeps; E_CANCELLED if a signal cuts it short. */
MUST_CHECK int interrupt_sleep(unsigned ms, struct err *err);

/* Raises (true) or lowers a shield: while one is up, nothing is cancelled. Shields nest. */
void interrupt_shield(bool up);

/*
 * From now on the signals are meant for a program in our process group, which does the work while
 * the caller waits for it; 0: no longer. Each signal that is caught, and one that was before, is
 * sent to it, and prints nothing here. What the kernel sends is not: a terminal's SIGINT goes to
 * the whole group.
 */
void interrupt_pass_on(pid_t pid);
