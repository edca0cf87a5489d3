// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Progress of long operations, and how long each phase took.
 *
 *	progress_phase("fetch");			// ends the phase before
 *	progress_at(NULL, "fetch", done, total);	// as often as you like
 *	progress_end();
 *
 * On a terminal one line is redrawn with bytes, rate and time left; otherwise a line is printed
 * every few seconds. --progress-fd N gets one JSON object in a line: {"phase", "ms"} and, if the
 * phase has a size, "done" and "total" in bytes; the last line of a phase has "over": true. --quiet
 * suppresses all but the JSON lines. Lines for which the fd has no room are left out.
 */

#include "base/err.h"
#include "json/json.h"

#include <stdint.h>

/* number: the value of --progress-fd; NULL: not given. say_begin() calls this. E_USAGE: it is not a
 * number, or the fd is not open. */
MUST_CHECK int progress_open(const char *number, struct err *err);
/* Begins a phase, or continues it; name must stay valid. */
void progress_phase(const char *name);
/* source_progress.at: the progress of a phase, which it begins if another one runs. */
void progress_at(void *unused, const char *phase, uint64_t done, uint64_t total);
/* Ends the running phase, and the line on the terminal. To call before other output. */
void progress_end(void);

/* Returns [{"phase", "ms"}], which the caller frees. The second function prints the same on
 * standard error, with the peak memory, if --timings was given. */
struct json *progress_timings(void);
void progress_print_timings(void);
