// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Detached threads. Nobody joins such a thread: it reports its end by its last action, such as
 * loop_post().
 */

#include "base/err.h"

#include <stddef.h>

/* Runs fn(arg) on a new detached thread. stack: its size in bytes, 0 for the default. If the thread
 * cannot be created (err_sys()), fn is not called. */
MUST_CHECK int thread_detach(void *(*fn)(void *), void *arg, size_t stack, struct err *err);
