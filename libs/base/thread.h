// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Threads for one function: detached, or waited for. */

#include "base/err.h"

#include <stddef.h>

/* Runs fn(arg) on a new detached thread. Nobody joins it: it reports its end by its last action,
 * such as loop_post(). stack: its size in bytes, 0 for the default. If the thread cannot be created
 * (err_sys()), fn is not called. */
MUST_CHECK int thread_detach(void *(*fn)(void *), void *arg, size_t stack, struct err *err);

typedef int (*thread_fn)(void *arg, struct err *err);
/* Runs fn(arg, err) on a new thread, waits for it and returns its result: for what the kernel keeps
 * for each thread, such as its namespaces (setns(2)), and what must not change for the others. */
MUST_CHECK int thread_call(thread_fn fn, void *arg, struct err *err);
