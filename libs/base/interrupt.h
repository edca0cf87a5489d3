// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Signals that ask a program to end: SIGINT, SIGTERM, SIGHUP. A program that must not end between
 * two steps catches them. Then they only cancel what waits: everything in libs/ that waits for a
 * process, for a child or for a time ends with E_CANCELLED, and long work asks between its parts.
 *
 *	interrupt_catch("the change is being undone or finished");
 *	...
 *	if (interrupt_check(err) < 0)
 *		return -1;
 *	...
 *	interrupt_shield(true);		// an undo is not cancelled by the signal that caused it
 *	rc = undo();
 *	interrupt_shield(false);
 *
 * Programs that are started meanwhile are in process groups of their own (spawn.h), so that a
 * terminal does not end them too.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Idempotent. Signals that are ignored stay ignored. A second signal prints "NAME: still working:
 * TEXT" on standard error; both must stay. */
void interrupt_catch(const char *name, const char *text);
bool interrupt_is_caught(void);

/* The number of the first signal that came, also behind a shield; 0: none. */
int interrupt_signal(void);
/* "SIGTERM". */
const char *interrupt_name(void);

/* E_CANCELLED if one came. */
MUST_CHECK int interrupt_check(struct err *err);
/* For poll(2): readable when one came; -1 (which poll ignores) if they are not caught, or behind a
 * shield. Borrowed. */
int interrupt_fd(void);
/* Waits; E_CANCELLED: not that long. */
MUST_CHECK int interrupt_sleep(unsigned ms, struct err *err);

/* While it is up, nothing is cancelled. They nest. */
void interrupt_shield(bool up);
