// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A parallel loop.
 *
 *	static int hash(void *arg, size_t i, struct err *err);
 *
 *	if (parallel_each(n, hash, files, err) < 0)
 *		return -1;
 *
 * fn is called once for each i below n, in any order, from up to PARALLEL_MAX threads, including
 * the caller's. After a failure, or a caught signal (interrupt.h), no further call begins; err is
 * that of the first failure. All threads have ended when parallel_each returns. Signals are blocked
 * in all threads but the caller's.
 */

#include "base/err.h"

#include <stddef.h>

enum { PARALLEL_MAX = 8 };

typedef int parallel_fn(void *arg, size_t i, struct err *err);
MUST_CHECK int parallel_each(size_t n, parallel_fn *fn, void *arg, struct err *err);
