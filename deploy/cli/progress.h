// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What long work says while it goes on, and how long each phase took.
 *
 *	progress_phase("fetch");		// ends the phase before
 *	progress_at(NULL, "fetch", done, total);	// as often as one likes
 *	progress_end();
 *
 * On a terminal one line is redrawn: bytes, rate, time left. Elsewhere a line per phase, and one
 * every few seconds. --progress-fd N gets JSON lines, one object each: {"phase", "ms"} and, where
 * it has a size, "done" and "total" in bytes; a phase that is over has "over": true. --quiet
 * leaves only those.
 */

#include "base/err.h"
#include "json/json.h"

#include <stdint.h>

/* Reads --progress-fd. E_USAGE. */
MUST_CHECK int progress_open(struct err *err);
void progress_phase(const char *name);
void progress_at(void *unused, const char *phase, uint64_t done, uint64_t total);
void progress_end(void);

/* [{"phase", "ms"}], and for --timings as lines on standard error with the memory's peak. */
struct json *progress_timings(void);
void progress_print_timings(void);
