// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The same work on many things at once, for programs that have one thread otherwise.
 *
 *	static int hash(void *arg, size_t i, struct err *err);
 *
 *	if (parallel_each(n, hash, files, err) < 0)
 *		return -1;
 *
 * fn is called once for each i below n, in no order, from up to PARALLEL_MAX threads, of which the
 * caller is one. After a failure no more is begun; the error is the first that was noticed. When it
 * returns, all threads have ended. Signals go to the caller's thread.
 */

#include "base/err.h"

#include <stddef.h>

enum { PARALLEL_MAX = 8 };

typedef int parallel_fn(void *arg, size_t i, struct err *err);
MUST_CHECK int parallel_each(size_t n, parallel_fn *fn, void *arg, struct err *err);
