// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a node that upgrades itself has done: how its last run ended, and which releases it holds,
 * since they failed here once or somebody went back from them, so that it does not try them every
 * night. state/timer.json in the prefix, which is there since the timer was
 * enabled or first run, and goes with an
 * uninstall:
 *
 *	{ "last": { "when", "result", "version", "message" },
 *	  "held": [ { "sha256", "version", "when", "why" } ] }
 *
 * A release is known by the digest of its release.yaml, so that a repaired one of the same version
 * is another. Only the newest TIMER_HELD_MAX are kept.
 *
 *	AUTO(timer_past) struct timer_past past = TIMER_PAST_INIT;
 *	if (timer_past_load(deploy_state(d), &past, err) < 0)
 *		return -1;
 *	if (timer_past_held(&past, sha256))
 *		...
 *
 * Written by those who hold the lock of the prefix.
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

/* state: an fd of the prefix's state directory; -1: there is none. Without the file there is no past.
 * E_INVALID: it is damaged, with what to do. */
MUST_CHECK int timer_past_load(int state, struct timer_past *out, struct err *err);
/* Whether this node upgrades itself. */
bool timer_past_is_there(int state);
MUST_CHECK int timer_past_save(int state, const struct timer_past *past, struct err *err);

/* The entry of a held release, borrowed; NULL: it is not held. */
const struct json *timer_past_held(const struct timer_past *past, const char *sha256);
void timer_past_hold(struct timer_past *past, const char *sha256, const char *version,
		     uint64_t when, const char *why);
/* Of that version, or (NULL) all; returns their number. */
size_t timer_past_unhold(struct timer_past *past, const char *version);

/* result: "upgraded", "current", "held" or "failed". */
void timer_past_ended(struct timer_past *past, const char *result, const char *version,
		      uint64_t when, const char *message);
