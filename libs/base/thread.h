// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Threads that nobody waits for: each tells of its end by what it does last, such as loop_post().
 */

#include "base/err.h"

#include <stddef.h>

/* Runs fn(arg) on a thread of its own. stack: its size in bytes, 0 for the usual one. On error (there is
 * no room for another thread: E_LIMIT and the like of err_sys()) fn is not called. */
MUST_CHECK int thread_detach(void *(*fn)(void *), void *arg, size_t stack, struct err *err);
