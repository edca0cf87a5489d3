// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The restrictions of a child, in the order in which it applies them to itself. */

#include "confine/confine.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_SANITIZED 1
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/* Closes every fd except the listed ones and talk; 0, 1, 2 become /dev/null unless listed. */
MUST_CHECK int confine_close_fds(const struct confine *c, int talk, struct err *err);
/* Sets the resource limits. */
MUST_CHECK int confine_limit(const struct confine *c, struct err *err);
/* Sets root directory and user, drops capabilities, sets no_new_privs. */
MUST_CHECK int confine_lower(const struct confine *c, struct err *err);
/* Restricts access to paths with Landlock; does nothing if the kernel has no Landlock. */
MUST_CHECK int confine_landlock(const struct confine *c, struct err *err);
/* ABI version of the kernel's Landlock; 0: none. */
int confine_landlock_abi(void);
/* Loads the system call filter. */
MUST_CHECK int confine_filter(const struct confine *c, struct err *err);
