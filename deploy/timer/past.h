// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The history of a node that upgrades itself: how its last run ended, and the releases that it
 * holds. It holds a release that failed here, or from which somebody has rolled back, so that it
 * does not try it again every night. The history is in state/timer.json, which is created when the
 * timer is enabled or runs for the first time, and removed by the uninstall:
 *
 *	{ "last": { "when", "result", "version", "message" },
 *	  "held": [ { "sha256", "version", "when", "why" } ] }
 *
 * The digest of its release.yaml identifies a release, so that a corrected release of the same
 * version is not held. Only the newest TIMER_HELD_MAX are kept.
 *
 *	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;
 *	if (timer_past_load(deploy_state(d), &past, err) < 0)
 *		return -1;
 *	if (timer_past_held(&past, sha256))
 *		...
 *
 * Only a process that holds the lock of the prefix may write it.
 */

#include "base/err.h"
#include "base/scope.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_PAST "timer.json"

enum { TIMER_HELD_MAX = 16 };

struct timer_past {
	struct json *last; /* NULL: there was no run */
	struct json *held; /* a list; NULL: empty */
};
#define TIMER_PAST_INIT      \
	{                    \
		.last = NULL \
	}
void timer_past_release(struct timer_past *past);
DEFINE_AUTO_STRUCT(timer_past, struct timer_past, timer_past_release)

/* Reads the history; without the file it is empty. state: an fd of the prefix's state directory, or
 * -1. E_INVALID: the file is damaged; the message has the remedy. */
MUST_CHECK int timer_past_load(int state, struct timer_past *out, struct err *err);
/* Returns 1 if the file exists: this node upgrades itself. Otherwise 0. */
MUST_CHECK int timer_past_look(int state, struct err *err);
MUST_CHECK int timer_past_save(int state, const struct timer_past *past, struct err *err);

/* Returns the entry of a held release, borrowed; NULL: it is not held. */
const struct json *timer_past_held(const struct timer_past *past, const char *sha256);
/* True if a failed upgrade is to be held against the release. False for errors of this machine, which
 * may be gone the next time: a full disk, a signal, a file that another program has changed. */
bool timer_past_blames(const struct err *err);
/* Holds a release; when: seconds since 1970. */
void timer_past_hold(struct timer_past *past, const char *sha256, const char *version,
		     uint64_t when, const char *why);
/* Releases the holds on that version (NULL: all holds); returns how many there were. */
size_t timer_past_unhold(struct timer_past *past, const char *version);

/* Records the end of a run. result: "upgraded", "current", "held" or "failed"; when: seconds since
 * 1970; version and message may be NULL. */
void timer_past_ended(struct timer_past *past, const char *result, const char *version,
		      uint64_t when, const char *message);
