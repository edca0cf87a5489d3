// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Whether a sanitizer is compiled in. It has memory of its own and makes everything slower, so what
 * a test says of resident memory and of processor time holds for the program as it is shipped only.
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

/* valgrind has file descriptors and the program's arguments in its own hands, and is forty times slower. */
#ifndef UNDER_VALGRIND
#define UNDER_VALGRIND false
#endif

#include <stdbool.h>
