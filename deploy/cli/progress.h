// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Progress of long operations, and how long each phase took.
 *
 *	progress_phase("fetch");		// ends the phase before
 *	progress_at(NULL, "fetch", done, total);	// as often as one likes
 *	progress_end();
 *
 * On a terminal one line is redrawn: bytes, rate, time left. Elsewhere a line per phase, and one
 * every few seconds. --progress-fd N gets JSON lines, one object each: {"phase", "ms"} and, where
 * it has a size, "done" and "total" in bytes; the last line of a phase has "over": true. With
 * --quiet only the JSON lines remain.
 */

#include "base/err.h"
#include "json/json.h"

#include <stdint.h>

/* number: of --progress-fd; NULL: none. Called by say_begin(). E_USAGE: not a number, or not
 * open. */
MUST_CHECK int progress_open(const char *number, struct err *err);
void progress_phase(const char *name);
void progress_at(void *unused, const char *phase, uint64_t done, uint64_t total);
void progress_end(void);

/* [{"phase", "ms"}]; the caller frees it. The other prints the same as lines on standard error,
 * with peak memory, if --timings was given. */
struct json *progress_timings(void);
void progress_print_timings(void);
