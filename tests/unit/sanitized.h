// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Says whether a sanitizer is compiled in. Sanitizers use memory themselves and make everything
 * slower, so bounds on resident memory and processor time are only checked without them.
 */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif

#ifndef SANITIZED
#define SANITIZED false
#endif

/* Says whether the test runs under valgrind, which opens file descriptors of its own, changes the
 * program's arguments and is forty times slower. */
#ifndef UNDER_VALGRIND
#define UNDER_VALGRIND false
#endif

#include <stdbool.h>
